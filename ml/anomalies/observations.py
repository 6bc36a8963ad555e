"""silver.price_verdicts -> the reports of one commodity in one channel, as [days, series] arrays."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.io.query import run_sql
from lakehouse.validation.prices.thin_sample import ThinSample, thin_sample
from lakehouse.validation.prices.thresholds import Thresholds

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Series = tuple[str, str, str]  # provider, market_id, region_code
TRUST_DAYS = 90
NUMBERS = ("price", "time", "accepted", "reporters", "newcomer", "trust")
# An event that was released or corrected has several verdicts: the newest counts. Of a series-day, one report
# is
# taken: one that is still refused, else the newest. T = (1 + accepted) / (2 + accepted + refused) over 90
# days.
REPORTS_SQL = """
  with newest as (
    select commodity, channel, provider, market_id, region_code, level, market_date, event_time, event_id,
      price_idr, coalesce(device_id, '') as device, outcome = 'quarantine' as refused
    from verdicts
    where market_date > $since
    qualify row_number() over (partition by event_id order by ingested_at desc, released desc) = 1
  ), device_days as (
    select device, market_date, count(*) filter (not refused) as accepted, count(*) filter (refused) as
    refused from newest where device <> '' group by all ), trusted as ( select device, market_date, (1 +
    sum(accepted) over past) / (2 + sum(accepted) over past + sum(refused) over past) as trust from
    device_days window past as (partition by device order by market_date range between interval {trust_days}
    days preceding and current row exclude current row) ), firsts as ( select commodity, channel, provider,
    market_id, region_code, device, min(market_date) as first_day from newest group by all ), openings as (
    select commodity, channel, provider, market_id, region_code, min(market_date) as opened from newest group
    by all ), days as ( select commodity, channel, provider, market_id, region_code, level, market_date,
    arg_max(price_idr, row(refused, event_time, event_id)) as price, arg_max(device, row(refused, event_time,
    event_id)) as device, arg_max(epoch_us(event_time), row(refused, event_time, event_id)) as time,
    arg_max(price_idr, row(event_time, event_id)) filter (not refused) as accepted, count(distinct device) as
    reporters from newest group by all ) select d.* exclude (device), coalesce(t.trust, case when d.device <>
    '' then 0.5 end) as trust, (d.device <> '' and d.reporters = 1 and f.first_day = d.market_date and
    o.opened < d.market_date)::int as newcomer from days d left join trusted t on t.device = d.device and
    t.market_date = d.market_date join firsts f on (f.commodity, f.channel, f.provider, f.market_id,
    f.region_code, f.device) = (d.commodity, d.channel, d.provider, d.market_id, d.region_code, d.device) join
    openings o on (o.commodity, o.channel, o.provider, o.market_id, o.region_code) = (d.commodity, d.channel,
    d.provider, d.market_id, d.region_code) order by d.commodity, d.channel, d.market_date
"""


@dataclass(frozen=True)
class Reports:
    """Reports of one commodity in one channel; arrays are [days, series].

    `accepted` is None for prices without verdicts: then the alarms of the job itself decide.
    """

    commodity: str
    channel: str
    series: tuple[Series, ...]
    levels: tuple[str, ...]  # market or province, of each series
    days: Ints  # epoch days with a report, ascending
    price: Floats  # rupiah; NaN where nobody reported
    time: Ints  # event time, microseconds since 1970
    accepted: Floats | None  # closing price that silver accepted
    reporters: Floats = field(repr=False)  # distinct devices, 1 for a source without; NaN without a report
    newcomer: Flags = field(repr=False)  # the only reporter had never reported the series before
    trust: Floats = field(repr=False)  # 0..1, of the reporting device; NaN without a device

    def thin_sample(self, series: int, row: int, thresholds: Thresholds) -> ThinSample | None:
        """The sample of a series' provider and level on a day, if it is thin; later days are not read."""
        same = [
            number
            for number, ((provider, _, _), level) in enumerate(zip(self.series, self.levels, strict=True))
            if (provider, level) == (self.series[series][0], self.levels[series])
        ]
        return thin_sample(self.price[: row + 1, same], self.days[: row + 1], row, thresholds)

    @property
    def regions(self) -> tuple[str, ...]:
        """Province code of each series."""
        return tuple(region for _, _, region in self.series)

    def until(self, rows: int) -> "Reports":
        """The first `rows` days: what was known at the close of the last of them."""
        names = ("days", "price", "time", "accepted", "reporters", "newcomer", "trust")
        arrays = {name: getattr(self, name) for name in names}
        cut: dict[str, Any] = {name: None if each is None else each[:rows] for name, each in arrays.items()}
        return replace(self, **cut)


def reports_of_panel(
    commodity: str, series: tuple[Series, ...], days: Ints, price: Floats, channel: str = "retail"
) -> Reports:
    """Reports made from prices alone, one reporter each: a published panel."""
    reported = np.isfinite(price)
    return Reports(
        commodity=commodity,
        channel=channel,
        series=series,
        levels=("province",) * len(series),
        days=days,
        price=price,
        time=np.repeat(days[:, None] * 86_400_000_000, price.shape[1], axis=1),
        accepted=None,
        reporters=np.where(reported, 1.0, np.nan),
        newcomer=np.zeros_like(reported),
        trust=np.full(price.shape, np.nan),
    )


def read_reports(verdicts: object, since: object) -> Iterator[Reports]:
    """Reports of each commodity and channel of silver.price_verdicts (dataset or table) after `since`."""
    sql = REPORTS_SQL.format(trust_days=TRUST_DAYS)
    rows = run_sql(sql, {"verdicts": verdicts}, {"since": since}, threads=2)
    pairs = {(row["commodity"], row["channel"]) for row in rows.select(["commodity", "channel"]).to_pylist()}
    for commodity, channel in sorted(pairs):
        own = (pc.field("commodity") == commodity) & (pc.field("channel") == channel)
        yield _pivot(commodity, channel, rows.filter(own))


def _pivot(commodity: str, channel: str, rows: pa.Table) -> Reports:
    """One row per series-day -> [days, series] arrays."""
    columns = ["provider", "market_id", "region_code", "level"]
    wide = rows.to_pandas().pivot(index="market_date", columns=columns, values=list(NUMBERS))
    grid: dict[str, Floats] = {name: wide[name].sort_index(axis=1).to_numpy(np.float64) for name in NUMBERS}
    series = sorted(wide["price"].columns)
    return Reports(
        commodity=commodity,
        channel=channel,
        series=tuple((provider, market, region) for provider, market, region, _ in series),
        levels=tuple(level for *_, level in series),
        days=wide.index.to_numpy().astype("datetime64[D]").astype(np.int64),
        time=np.where(np.isfinite(grid["time"]), grid["time"], 0).astype(np.int64),
        newcomer=np.nan_to_num(grid["newcomer"]) > 0,
        **{name: grid[name] for name in ("price", "accepted", "reporters", "trust")},
    )
