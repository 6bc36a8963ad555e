"""The list of prices that two or more providers have for one commodity, province and day."""

from datetime import date, timedelta
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field

from conf.settings import settings
from lakehouse.io.query import run_sql
from serving_api.listings.filters import MEMBERS, from_simulated_prices, region
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, listing_router
from serving_api.reads.dashboard.daily_figures import DAILY, RETAIL
from serving_api.reads.names import commodity_ids, region_code
from serving_api.reads.responses import to_json_value
from serving_api.schemas.envelope import Name

Reason = Literal["quality", "unit", "day", "markets", "unknown"]
COLUMNS = (
    "commodity", "region_code", "region", "level", "provider", "market_date", "unit", "median_price_idr",
    "observations", "markets",
)  # fmt: skip
USUAL_DAYS = 180  # before the day
TOLERANCES = pa.schema({"commodity": pa.string(), "tolerance": pa.float64()})
# The first reason that holds, of the lowest and the highest price. Usual: the median log ratio of the two
# providers over the 180 days before, of at least 30; tolerance: knob validation.source_tolerance.
COMPARISON = """
    with placed as (
        select *, date_diff('day', date '1970-01-01', market_date) as day,
            row_number() over (partition by commodity, region_code, market_date, provider
                               order by level desc) as nth
        from daily
    ), cells as (
        select * from placed where nth = 1
    ), pairs as (
        select a.commodity, a.region_code, a.day, a.provider as first, b.provider as second,
            ln(a.median_price_idr / b.median_price_idr) as ratio,
            a.unit <> b.unit as other_unit, a.level <> b.level as other_level,
            a.markets <> b.markets as other_markets,
            exists (select 1 from cells as earlier
                    where earlier.commodity = a.commodity and earlier.region_code = a.region_code
                      and earlier.day between a.day - 3 and a.day - 1
                      and ((earlier.provider = b.provider
                            and abs(ln(a.median_price_idr / earlier.median_price_idr)) <= 0.005)
                        or (earlier.provider = a.provider
                            and abs(ln(b.median_price_idr / earlier.median_price_idr)) <= 0.005))) as lagged
        from cells as a join cells as b on a.commodity = b.commodity and a.region_code = b.region_code
            and a.day = b.day and a.provider < b.provider
    ), usual as (
        select *, median(ratio) over before as usual, count(*) over before as days
        from pairs
        window before as (partition by commodity, region_code, first, second order by day
                          range between 180 preceding and 1 preceding)
    ), sides as (
        select commodity, region_code, max(region) as region, market_date, day,
            list({'provider': provider, 'price_idr': median_price_idr, 'unit': unit, 'level': level,
                  'markets': markets, 'observations': observations} order by provider) as prices,
            min(median_price_idr) as low_idr, max(median_price_idr) as high_idr,
            arg_min(provider, (median_price_idr, provider)) as low,
            arg_max(provider, (median_price_idr, provider)) as high
        from cells group by commodity, region_code, market_date, day having count(*) > 1
    )
    select sides.commodity, sides.region_code, region, market_date, prices,
        100 * (high_idr / low_idr - 1) as difference_pct,
        case when high_idr / low_idr <= 1.01 and not other_unit then null
            when other_unit or exists (select 1 from range(1, 4) as powers(power)
                                       where abs(abs(ratio) - power * ln(10)) <= 0.05) then 'unit'
            when lagged then 'day'
            when other_level then 'markets'
            when usual.days >= 30 and abs(ratio - usual) <= tolerance then 'quality'
            when other_markets then 'markets'
            else 'unknown' end as reason,
        case when usual.days >= 30 then 100 * (exp(abs(usual)) - 1) end as usual_pct
    from sides
    join usual on usual.commodity = sides.commodity and usual.region_code = sides.region_code
        and usual.day = sides.day and usual.first = least(low, high) and usual.second = greatest(low, high)
    join tolerances on tolerances.commodity = sides.commodity
"""


class ProviderPrice(BaseModel):
    """What one provider published for the cell."""

    provider: str
    price_idr: float = Field(gt=0, description="median of its prices of the day, rupiah per unit")
    unit: str
    level: Literal["market", "province"]
    markets: int = Field(ge=0, description="distinct markets behind the price")
    observations: int = Field(ge=0, description="prices behind it")


class ComparedSources(BaseModel):
    """A commodity, province and day with prices of several providers."""

    commodity: str
    region: str
    market_date: date
    prices: list[ProviderPrice] = Field(description="by name of the provider")
    difference_pct: float | None = Field(description="100 * (highest / lowest - 1)")
    usual_pct: float | None = Field(
        description="their usual difference: by the median of the 180 days before; null below 30 days"
    )
    reason: Reason | None = Field(
        description="unit: other units, or a ratio of 10, 100 or 1,000; day: the price equals the other's of "
        "one to three days before; markets: a province against markets, or another number of markets; "
        "quality: the usual difference, as between qualities or shops; null: at most 1 %"
    )


def compared(request: ListRequest, condition: pc.Expression) -> pa.Table:
    """The cells of the commodities that meet the condition; earlier days only show what is usual."""
    assert request.times is not None
    ids = sorted(commodity_ids(request.values["commodity"]))
    code = region_code(request.values["region"])
    first = (request.times.first_day or request.times.start.date()) - timedelta(days=USUAL_DAYS)

    def compute() -> pa.Table:
        wanted = pc.field("commodity").isin(ids) & (pc.field("channel") == RETAIL)
        wanted &= pc.field("market_date") >= first
        if code is not None:
            wanted &= pc.field("region_code") == code
        knobs = settings().validation.source_tolerance
        known = [{"commodity": name, "tolerance": knobs.get(name, knobs["default"])} for name in ids]
        tolerances = pa.Table.from_pylist(known, TOLERANCES)
        daily = request.snapshot.read(wanted, COLUMNS)
        return run_sql(COMPARISON, {"daily": daily, "tolerances": tolerances})

    return request.snapshot.cached(("compared sources", *ids, code, first), compute).filter(condition)


def compared_item(row: Row) -> Row:
    """A cell as an item."""
    return {name: to_json_value(row[name]) for name in ComparedSources.model_fields}


SOURCES = Listing(
    table=DAILY,
    path="/api/v1/sources/compare",
    name="compare_sources",
    item=ComparedSources,
    summary="Retail prices of two or more providers side by side, newest day first",
    description="""Cells of a commodity, province and day that several providers have a price for, with the
    difference and a likely reason. Default: the 30 days that end with the newest market day of the table;
    `meta.range` names them.""",
    columns="commodity, region, market_date",
    times="market_date",
    filters=(
        Filter("commodity", MEMBERS, annotation=Name, required=True, examples=("cabai-rawit-merah",)),
        region(examples=("Jawa Barat",)),
    ),
    order="market_date desc, commodity, region_code",
    rows=compared,
    item_from=compared_item,
    demo=from_simulated_prices,
)
router = listing_router("prices", SOURCES)
