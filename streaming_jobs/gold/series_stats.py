"""silver.prices and silver.price_verdicts -> gold.series_stats, computed by the validator's own code."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import open_table
from lakehouse.io.query import run_sql
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.evidence import sources
from lakehouse.validation.prices.statistics import NUMBERS, statistics
from lakehouse.validation.prices.validator import PriceClosings
from streaming_jobs.gold.driver import BatchJob, Change, News

TABLE = "gold.series_stats"
EPOCH = date(1970, 1, 1)
Series = tuple[str, str, str, str, str]  # commodity, channel, provider, market_id, region_code
CANDIDATE_WINDOW_DAYS = 30
# Series whose last five judged days were all refused in one direction, by at least two reporters. A released
# day is not refused.
CANDIDATES = """
  with refused_series as (
    select distinct commodity, channel, provider, market_id, region_code
    from silver_price_verdicts where outcome = 'quarantine'
  ), days as (
    select commodity, channel, provider, market_id, region_code, market_date,
      bool_and(outcome = 'quarantine') as refused, min(sign(move)) as lowest, max(sign(move)) as highest,
      list(distinct coalesce(device_id, provider)) as reporters
    from silver_price_verdicts semi join refused_series using (commodity, channel, provider, market_id,
    region_code) group by all
  ), newest as (
    select * from days
    qualify row_number() over (
      partition by commodity, channel, provider, market_id, region_code order by market_date desc) <= 5
  )
  select commodity, channel, provider, market_id, region_code from newest group by all
  having count(*) = 5 and bool_and(refused) and min(lowest) = max(highest)
    and len(list_distinct(flatten(list(reporters)))) >= 2
"""


def series_stats(closings: PriceClosings, candidates: set[Series]) -> pa.Table:
    """One row per series: the statistics that would judge a price of the day after the panel's newest day."""
    schema = arrow_schema(contracts()[TABLE])
    parts = [
        _rows(closings, key, panel, candidates, schema)
        for key, panel in sorted(closings.panels.items())
        if panel.size
    ]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _rows(
    closings: PriceClosings,
    key: tuple[str, str],
    panel: ClosingPanel,
    candidates: set[Series],
    schema: pa.Schema,
) -> pa.Table:
    commodity, channel = key
    day = panel.newest_day + 1
    figures, votes = statistics(panel, day, closings.thresholds)
    names = sorted(
        series for series, column in panel.series.items() if np.isfinite(figures["last_day"][column])
    )
    columns = np.array([panel.series[series] for series in names])
    values: dict[str, Any] = {
        "commodity": [commodity] * len(names),
        "channel": [channel] * len(names),
        "provider": [series[0] for series in names],
        "market_id": [series[1] for series in names],
        "region_code": [series[2] for series in names],
        "level": [panel.level[column] for column in columns],
        "as_of": [EPOCH + timedelta(days=day)] * len(names),
        "sources": [
            [
                {**source, "event_time": panel.last_time(source["name"], names[nth], day)}
                for source in sources(votes.others, int(column))
            ]
            for nth, column in enumerate(columns)
        ],
        "regime_candidate": [(commodity, channel, *series) in candidates for series in names],
        "thresholds": [closings.thresholds.version] * len(names),
    }
    values |= {name: _typed(figures[name][columns], schema.field(name).type) for name in NUMBERS}
    return pa.table(values, schema=schema)


def _typed(column: npt.NDArray[np.float64], type_: pa.DataType) -> pa.Array:
    if pa.types.is_floating(type_):
        return pa.array(column, type_, from_pandas=True)
    return pa.array(column, pa.float64(), from_pandas=True).cast(pa.int32()).cast(type_)


class SeriesStats(BatchJob):
    """Keeps the closings that the stream's validator keeps."""

    name = "series_stats"
    tables = (TABLE,)
    kinds = ("price",)
    has_memory = True

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget the closings."""
        self._closings = PriceClosings(settings().rule_values())

    def compute(self, news: News) -> Iterator[Change]:
        """The statistics of all series after the new rows."""
        for batch in news.of("silver.prices").to_batches(columns=list(self._closings.columns)):
            self._closings.load(pa.Table.from_batches([batch]))
        yield Change(TABLE, series_stats(self._closings, candidates(news.upto)))


def candidates(upto: datetime) -> set[Series]:
    """Series whose prices keep being refused in one direction: see CANDIDATES."""
    dataset = open_table("silver.price_verdicts").to_pyarrow_dataset()
    days = dataset.to_table(columns=["market_date"], filter=pc.field("ingested_at") <= upto)["market_date"]
    newest = pc.max(days).as_py()
    if newest is None:
        return set()
    window = (pc.field("ingested_at") <= upto) & (
        pc.field("market_date") > newest - timedelta(days=CANDIDATE_WINDOW_DAYS)
    )
    rows = run_sql(CANDIDATES, {"silver_price_verdicts": dataset.filter(window)})
    return set(zip(*(column.to_pylist() for column in rows.columns), strict=True))


JOB = SeriesStats
