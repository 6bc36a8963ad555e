"""What moved together with a price, and the macro indicators that weigh on it."""

from datetime import UTC, datetime, time
from typing import Annotated, Any

from fastapi import Query, Response

from lakehouse.impact import impact_of
from serving_api.http.router import Router
from serving_api.reads.names import region_of_market, single_commodity
from serving_api.reads.price_impacts import (
    FACTORS_TABLE,
    MACRO_TABLE,
    current_macro,
    newest_factors,
    typical_scale,
)
from serving_api.reads.provenance import from_simulated, model_meta
from serving_api.reads.responses import CurrentResponses
from serving_api.schemas.problem import problems
from serving_api.schemas.signals.impact import (
    ImpactQuery,
    ImpactReport,
)

router = Router(tags=["impact"])


@router.get(
    "/api/public/impact",
    response_model=ImpactReport,
    responses=problems(404),
    summary="Size of a price move, and what moved together with it",
)
def impact(query: Annotated[ImpactQuery, Query()], responses: CurrentResponses) -> Response:
    """The factors are those of the newest measured week of the commodity in the market's province.

    An association, not a cause. `unexplained_pct` is what the factors leave.
    """
    snapshots = responses.snapshots
    commodity = single_commodity(query.commodity)
    region = region_of_market(snapshots, query.market_id)
    factors = snapshots[FACTORS_TABLE]
    macro = snapshots[MACRO_TABLE]
    row = newest_factors(factors).get((commodity, region))
    state = current_macro(macro)
    typical = typical_scale(commodity)
    item = {
        "commodity": commodity,
        "market_id": query.market_id,
        **impact_of(query.prev_price, query.new_price, row, typical, state),
    }
    demo = from_simulated(snapshots, [commodity])
    as_of = datetime.combine(row["market_date"], time(), UTC) if row else None
    return responses.item([factors, macro], item, demo=demo, model=model_of(row), as_of=as_of)


def model_of(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """`meta.model` of a measured row."""
    if row is None:
        return None
    trained_on = {"gold.daily_prices": row["prices_version"]}
    return model_meta("impact-ridge", row["measured_at"].isoformat(), "champion", trained_on)
