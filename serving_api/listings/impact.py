"""Lists of what moved together with prices, and of the macro indicators that weigh on them."""

import math
from datetime import datetime

import pyarrow.compute as pc

from lakehouse.impact import ELASTICITIES, FACTORS, attribution, impact_score
from serving_api.listings.filters import from_simulated_prices, region
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, equal, listing_router
from serving_api.reads.names import single_commodity
from serving_api.reads.price_impacts import FACTORS_TABLE, MACRO_TABLE
from serving_api.reads.responses import to_json_value
from serving_api.schemas.envelope import Name
from serving_api.schemas.signals.impact import ImpactWeek, Indicator, MacroRow


def week_item(row: Row) -> Row:
    """A measured week as an item."""
    shared = attribution(row["change"], {name: row[name] for name in FACTORS})
    return {
        "commodity": row["commodity"],
        "region": row["region"],
        "market_date": to_json_value(row["market_date"]),
        "price_change": math.exp(row["change"]) - 1,
        "impact_score": impact_score(row["change"], row["scale"], 1.0),
        "dominant_factor": shared.dominant,
        "factors_with_weights": shared.weights,
        "directions": shared.directions,
        "unexplained_pct": shared.unexplained_pct,
        "unavailable": list(row["unavailable"]),
    }


def measured(request: ListRequest) -> pc.Expression:
    """The macro indicators that weigh on prices; values that were not measured are left out."""
    return pc.field("indicator").isin(list(ELASTICITIES)) & pc.field("value").is_valid()


def newest_release(request: ListRequest) -> datetime | None:
    """Time of the newest release; None for an empty table."""

    def read() -> tuple[datetime | None]:
        condition = pc.field("indicator").isin(list(ELASTICITIES))
        rows = request.snapshot.read(condition, ["released_at"])
        return (pc.max(rows["released_at"]).as_py(),)

    return request.snapshot.cached("newest release", read)[0]


def macro_item(row: Row) -> Row:
    """A macro value with who published it; the sender where nobody is named."""
    named = {name: row[name] for name in ("indicator", "period", "value", "unit")}
    return named | {"source": row["publisher"] or row["source"]}


WEEKS = Listing(
    table=FACTORS_TABLE,
    path="/api/v1/impact/weeks",
    name="list_impact_weeks",
    item=ImpactWeek,
    summary="Weekly moves of a price and what moved together with them",
    description="The last 28 market days of each province, newest first; no fit has seen them.",
    columns=", ".join(("commodity, region, market_date, change, scale", *FACTORS, "unavailable")),
    filters=(
        Filter(
            "commodity",
            "id or alias; for a group, its representative",
            lambda name, request: pc.field("commodity") == single_commodity(name),
            Name,
            required=True,
            examples=("cabai-rawit-merah",),
        ),
        region(examples=("Jawa Barat",)),
    ),
    order="market_date desc, region_code",
    item_from=week_item,
    demo=from_simulated_prices,
)
MACRO = Listing(
    table=MACRO_TABLE,
    path="/api/v1/macro",
    name="list_macro",
    item=MacroRow,
    summary="Macro indicators, newest release first",
    description="""Values by the time of their release; a revision is a row of its own.

    Default: the 30 days that end with the newest release; `meta.range` names them.""",
    columns="indicator, period, value, unit, publisher, source",
    times="released_at",
    newest=newest_release,
    condition=measured,
    filters=(equal("indicator", "only values of this indicator", Indicator),),
    order="released_at desc, indicator, event_id",
    item_from=macro_item,
    statuses=(),
)
router = listing_router("impact", WEEKS, MACRO)
