"""Lists of what follows from daily prices: indicators by day, figures by month."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from serving_api.listings.filters import commodity, from_simulated_prices, region
from serving_api.listings.listing import Filter, Listing, ListRequest, listing_router
from serving_api.reads.dashboard.daily_figures import MONTHLY, RETAIL, SILVER, TABLE, Figures, figures_of
from serving_api.reads.names import commodity_ids
from serving_api.schemas.envelope import KNOWN_ON, Day, PageQuery

DATE = Filter("date", KNOWN_ON, annotation=Day)


class MonthsQuery(PageQuery):
    """Parameters of a list of months."""

    from_: Day | None = Field(None, alias="from", description="any day of the first month")
    to: Day | None = Field(None, description="day after the last: months that begin before it are listed")


def figures(request: ListRequest) -> Figures:
    """The retail figures of now, or as they were known at the close of a day."""
    name = request.values["commodity"] if request.values["date"] else None
    ids = commodity_ids(name) if name else None
    return figures_of(request.snapshots, request.values["date"], ids)


def figure_tables(values: Mapping[str, Any]) -> Sequence[str]:
    """What the figures follow from."""
    return (SILVER,) if values["date"] else (TABLE,)


def figure_rows(request: ListRequest, condition: pc.Expression) -> pa.Table:
    """The rows of the figures that meet the condition."""
    return figures(request).rows(condition, INDICATORS.needed)


def month_tables(values: Mapping[str, Any]) -> Sequence[str]:
    """What the figures by month follow from."""
    return (SILVER,) if values["date"] else (MONTHLY,)


def month_rows(request: ListRequest, condition: pc.Expression) -> pa.Table:
    """The retail figures by month that meet the condition."""
    if request.values["date"]:
        return figures(request).rows(condition, MONTHS.needed, table=MONTHLY)
    return request.snapshot.read(condition & (pc.field("channel") == RETAIL), MONTHS.needed)


def of_months(request: ListRequest) -> pc.Expression:
    """The months from that of `from` on that begin before `to`."""
    condition = pc.scalar(True)
    if first := request.values["from_"]:
        condition &= pc.field("market_month") >= f"{first:%Y-%m}"
    if end := request.values["to"]:
        condition &= pc.field("market_month") <= f"{end - timedelta(days=1):%Y-%m}"
    return condition


INDICATORS = Listing(
    table="gold.indicators",
    path="/api/v1/indicators",
    name="list_indicators",
    item="IndicatorRow",
    summary="Indicators of retail prices, newest day first",
    description="""Default: the 30 days that end with the newest market day of the table;
    `meta.range` names them.

    `date`: as they were known at the close of that day.""",
    columns=(
        "commodity, region, level, market_date, change_1d_pct, change_7d_pct, change_30d_pct, "
        "change_365d_pct, change_level, national_gap_pct, ifpa, ifpa_reason, alps, alps_class, alps_reason, "
        "reference_price_idr, gap_pct, dispersion_pct"
    ),
    times="market_date",
    newest=lambda request: figures(request).newest_day(),
    others=(SILVER,),
    depends_on=figure_tables,
    filters=(
        commodity(required=True, examples=("beras-medium",)),
        region(examples=("Jawa Barat",)),
        DATE,
    ),
    order="market_date desc, commodity, region_code, level",
    rows=figure_rows,
    demo=from_simulated_prices,
)
MONTHS = Listing(
    table=MONTHLY,
    path="/api/v1/indicators/monthly",
    name="list_monthly_indicators",
    item="MonthlyFigures",
    summary="Retail prices by month with their changes, newest month first",
    description="""Mean price of each province and month, month on month and year on year, IFPA and ALPS.

    A month that is not complete is compared over the same days of the earlier month; `compared_days`
    names them. `date`: as known at the close of that day.""",
    columns=(
        "commodity, region, level, market_month, unit, mean_price_idr, days, last_day, is_complete, mom_pct, "
        "yoy_pct, compared_days, ifpa, ifpa_class, ifpa_reason, alps, alps_class, alps_reason"
    ),
    renamed={"market_month": "month"},
    query=MonthsQuery,
    depends_on=month_tables,
    condition=of_months,
    filters=(commodity(examples=("beras-medium",)), region(examples=("Jawa Barat",)), DATE),
    order="market_month desc, commodity, region_code, level",
    rows=month_rows,
    demo=from_simulated_prices,
)
router = listing_router("indicators", INDICATORS, MONTHS)
