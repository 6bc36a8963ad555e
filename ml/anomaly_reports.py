"""silver.price_verdicts -> what was reported of one commodity in one channel, days down and series across."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Series = tuple[str, str, str]  # provider, market_id, region_code
TRUST_DAYS = 90
NUMBERS = ("price", "time", "accepted", "reporters", "newcomer", "trust")
# An event is judged again when it was released or corrected: its newest verdict counts. Of a series-day the most doubtful
# report is looked at: one that is still refused, else the newest. T = (1 + accepted) / (2 + accepted + refused) over 90 days.
REPORTS_SQL = """
  with newest as (
    select commodity, channel, provider, market_id, region_code, level, market_date, event_time, event_id, price_idr,
      coalesce(device_id, '') as device, outcome = 'quarantine' as refused
    from verdicts
    where market_date > $since
    qualify row_number() over (partition by event_id order by ingested_at desc, released desc) = 1
  ), device_days as (
    select device, market_date, count(*) filter (not refused) as accepted, count(*) filter (refused) as refused
    from newest where device <> '' group by all
  ), trusted as (
    select device, market_date, (1 + sum(accepted) over past) / (2 + sum(accepted) over past + sum(refused) over past) as trust
    from device_days
    window past as (partition by device order by market_date
                    range between interval {trust_days} days preceding and current row exclude current row)
  ), firsts as (
    select commodity, channel, provider, market_id, region_code, device, min(market_date) as first_day from newest group by all
  ), openings as (
    select commodity, channel, provider, market_id, region_code, min(market_date) as opened from newest group by all
  ), days as (
    select commodity, channel, provider, market_id, region_code, level, market_date,
      arg_max(price_idr, row(refused, event_time, event_id)) as price,
      arg_max(device, row(refused, event_time, event_id)) as device,
      arg_max(epoch_us(event_time), row(refused, event_time, event_id)) as time,
      arg_max(price_idr, row(event_time, event_id)) filter (not refused) as accepted,
      count(distinct device) as reporters
    from newest group by all
  )
  select d.* exclude (device), coalesce(t.trust, case when d.device <> '' then 0.5 end) as trust,
    (d.device <> '' and d.reporters = 1 and f.first_day = d.market_date and o.opened < d.market_date)::int as newcomer
  from days d
  left join trusted t on t.device = d.device and t.market_date = d.market_date
  join firsts f on (f.commodity, f.channel, f.provider, f.market_id, f.region_code, f.device)
    = (d.commodity, d.channel, d.provider, d.market_id, d.region_code, d.device)
  join openings o on (o.commodity, o.channel, o.provider, o.market_id, o.region_code)
    = (d.commodity, d.channel, d.provider, d.market_id, d.region_code)
  order by d.commodity, d.channel, d.market_date
"""


@dataclass(frozen=True)
class Reports:
    """Arrays are [days, series]. `accepted` None: nothing has judged these prices yet, so the job's own alarms decide."""

    commodity: str
    channel: str
    series: tuple[Series, ...]
    levels: tuple[str, ...]  # market or province, of each series
    days: Ints  # epoch days with a report, ascending
    price: Floats  # rupiah, the day's most doubtful report; NaN where nobody reported
    time: Ints  # its event time, microseconds since 1970
    accepted: Floats | None  # closing that silver accepted
    reporters: Floats = field(repr=False)  # distinct devices (1 for a source without), NaN where nobody reported
    newcomer: Flags = field(repr=False)  # the only reporter had never reported the series before
    trust: Floats = field(repr=False)  # 0..1 of the reporting device; NaN without a device

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(region for _, _, region in self.series)

    def until(self, rows: int) -> "Reports":
        """The first `rows` days: what was known at the close of the last of them."""
        cut = {name: getattr(self, name)[:rows] for name in ("days", *NUMBERS) if getattr(self, name) is not None}
        return Reports(self.commodity, self.channel, self.series, self.levels, **{"accepted": None, **cut})


def plain(commodity: str, series: tuple[Series, ...], days: Ints, price: Floats, channel: str = "retail") -> Reports:
    """Prices that nothing is known of but themselves, one reporter each: a published panel."""
    there = np.isfinite(price)
    when = np.repeat(days[:, None] * 86_400_000_000, price.shape[1], axis=1)
    nothing = np.full(price.shape, np.nan)
    one = np.where(there, 1.0, np.nan)
    return Reports(
        commodity, channel, series, ("province",) * len(series), days, price, when, None, one, np.zeros_like(there), nothing
    )


def reports(verdicts: object, since: object) -> Iterator[Reports]:
    """Each commodity and channel of silver.price_verdicts (a dataset or table) after the day `since`."""
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute("set timezone = 'UTC'")
        con.register("verdicts", verdicts)
        found = con.sql(REPORTS_SQL.format(trust_days=TRUST_DAYS), params={"since": since}).to_arrow_table()
    goods = found.select(["commodity", "channel"]).group_by(["commodity", "channel"]).aggregate([]).to_pylist()
    for good in sorted(goods, key=lambda one: (one["commodity"], one["channel"])):
        yield _pivoted(good["commodity"], good["channel"], found)


def _pivoted(commodity: str, channel: str, found: pa.Table) -> Reports:
    rows = found.filter((pc.field("commodity") == commodity) & (pc.field("channel") == channel))
    names = list(zip(*(rows[name].to_pylist() for name in ("provider", "market_id", "region_code")), strict=True))
    level_of = dict(zip(names, rows["level"].to_pylist(), strict=True))
    series = tuple(sorted(level_of))
    place = {one: nth for nth, one in enumerate(series)}
    across = np.array([place[one] for one in names])
    days, down = np.unique(rows["market_date"].cast(pa.int32()).to_numpy().astype(np.int64), return_inverse=True)
    grid: dict[str, Floats] = {}
    for name in NUMBERS:
        grid[name] = np.full((len(days), len(series)), np.nan)
        grid[name][down, across] = rows[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
    time = np.where(np.isfinite(grid["time"]), grid["time"], 0).astype(np.int64)
    newcomer = np.nan_to_num(grid["newcomer"]) > 0
    levels, accepted, trust = tuple(level_of[one] for one in series), grid["accepted"], grid["trust"]
    return Reports(commodity, channel, series, levels, days, grid["price"], time, accepted, grid["reporters"], newcomer, trust)
