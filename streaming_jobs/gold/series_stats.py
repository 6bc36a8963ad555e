"""silver.prices and silver.price_verdicts -> gold.series_stats, computed by the validator's own code."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.gold.series_stats import CANDIDATE_WINDOW_DAYS, CANDIDATES, TABLE, Series, series_stats
from lakehouse.io.delta import open_table
from lakehouse.io.query import run_sql
from lakehouse.validation.prices.validator import PriceClosings
from streaming_jobs.gold.driver import BatchJob, Change, News


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
    """Series whose prices keep being refused in one direction; see lakehouse/gold/series_stats.py."""
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
