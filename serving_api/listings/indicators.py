"""Lists of what follows from daily prices: indicators by day, figures by month, the index by week."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from lakehouse.contracts.contract import contracts
from lakehouse.io.query import reference_tables, run_contract_sql
from lakehouse.reference import basket
from serving_api.listings.filters import commodity, from_simulated_prices, region
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, equal, listing_router
from serving_api.reads.dashboard.daily_figures import (
    MONTHLY,
    RETAIL,
    SILVER,
    TABLE,
    Figures,
    close_of,
    figures_of,
)
from serving_api.reads.names import commodity_ids, region_of
from serving_api.reads.price_impacts import MACRO_TABLE
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import to_json_value
from serving_api.schemas.envelope import KNOWN_ON, Day, Name, PageQuery
from serving_api.schemas.weekly_index import COMPUTED, Monday, WeeklyIndex

WEEKLY = "gold.weekly_index"
EXTREMES = 10  # provinces that are named as the highest and the lowest
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


def weekly_tables(values: Mapping[str, Any]) -> Sequence[str]:
    """What the weekly index follows from."""
    return (SILVER, MACRO_TABLE) if values["date"] else (WEEKLY,)


def weekly_table(request: ListRequest) -> pa.Table:
    """The weekly index of now, or as it was known at the close of a day."""
    day = request.values["date"]
    if day is None:
        return request.snapshot.rows

    def compute() -> pa.Table:
        names = [commodity for item in basket().items.values() for commodity in item.commodities]
        known = figures_of(request.snapshots, day, names)
        columns = contracts()[TABLE].column_names
        macro = request.others[MACRO_TABLE].read(pc.field("ingested_at") < close_of(day))
        views = {"gold_indicators": known.rows(pc.scalar(True), columns), "silver_macro": macro}
        return run_contract_sql(contracts()[WEEKLY], views | reference_tables(contracts()[WEEKLY].sql))

    return request.snapshot.cached(("weekly index", day), compute)


def weekly_rows(request: ListRequest, condition: pc.Expression) -> pa.Table:
    """The rows of the weekly index that meet the condition."""
    return weekly_table(request).filter(condition)


def weekly_items(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """The rows as items, with the ten provinces of the week with the highest and the lowest index."""
    table = weekly_table(request)
    weeks = pa.array({row["week"] for row in rows}, pa.date32())
    ranked: dict[date, list[str]] = {}
    of_weeks = table.filter(pc.field("week").isin(weeks) & pc.field("rank").is_valid())
    for row in of_weeks.select(["week", "region", "rank"]).sort_by([("rank", "ascending")]).to_pylist():
        ranked.setdefault(row["week"], []).append(row["region"])
    return [weekly_item(row, ranked.get(row["week"], [])) for row in rows]


def weekly_item(row: Row, ranked: Sequence[str]) -> Row:
    """A row of gold.weekly_index as an item. `ranked`: provinces of the week, largest rise first."""
    figures = {name: to_json_value(row[name]) for name in WeeklyIndex.model_fields if name in row}
    items = sorted(row["items"], key=lambda item: -(item["contribution_pct"] or 0))
    items.sort(key=lambda item: item["contribution_pct"] is None)
    known = [item for item in items if item["contribution_pct"] is not None]
    return figures | {
        "items": items,
        "contributions": ";".join(f"{item['commodity']}({item['contribution_pct']:.3f})" for item in known),
        "highest": list(ranked[:EXTREMES]),
        "lowest": list(ranked[::-1][:EXTREMES]),
    }


def of_simulated_basket(request: ListRequest) -> Callable[[Row], bool]:
    """Whether simulated prices are behind one of the contributions of an item."""

    def is_simulated(item: Row) -> bool:
        names = [entry["commodity"] for entry in item["items"] if entry["change_pct"] is not None]
        return from_simulated(request.snapshots, names)

    return is_simulated


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
        "reference_price_idr, gap_pct, dispersion_pct, provider, spliced_from, splice_day, splice_factor"
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
        "yoy_pct, compared_days, ifpa, ifpa_class, ifpa_reason, alps, alps_class, alps_reason, spliced_from"
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
WEEKLY_INDEX = Listing(
    table=WEEKLY,
    path="/api/v1/weekly-index",
    name="list_weekly_index",
    item=WeeklyIndex,
    summary="Weekly index of food prices, newest week first",
    description="""Change of a basket of retail prices against the mean of the month before, of each
    province and of Indonesia. An own index in the style of BPS' IPH: `bps_index_pct` is BPS' own figure,
    where it was imported, and is not part of it. `date`: as known at the close of that day.""",
    columns=", ".join(name for name in WeeklyIndex.model_fields if name not in COMPUTED),
    others=(SILVER, MACRO_TABLE),
    depends_on=weekly_tables,
    filters=(
        Filter(
            "region",
            "province name or two-digit code; Indonesia: the nation",
            lambda name, request: pc.field("region_code") == region_of(name)[0],
            Name,
            examples=("Jawa Barat",),
        ),
        equal("week", "Monday of the week", Monday),
        DATE,
    ),
    order="week desc, region",
    rows=weekly_rows,
    present=weekly_items,
    demo=of_simulated_basket,
)
router = listing_router("indicators", INDICATORS, MONTHS, WEEKLY_INDEX)
