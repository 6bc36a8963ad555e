"""silver.prices and silver.price_verdicts -> gold.series_stats, computed by the validator's own code."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.gold.series_stats import CANDIDATE_WINDOW_DAYS, CANDIDATES, TABLE, Series, series_stats
from lakehouse.io.delta import EPOCH, high_water_mark, open_table, replace_rows
from lakehouse.io.query import run_sql
from lakehouse.validation.prices.validator import PriceClosings
from streaming_jobs.gold.finished_batches import newest_finished


class SeriesStats:
    """Keeps the closings that the stream's validator keeps, and follows the finished batches."""

    name = "series_stats"

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._closings = PriceClosings(settings().rule_values())
        self._loaded_until = EPOCH

    def refresh(self) -> None:
        """Load the rows of newly finished batches, and write the statistics if there were any."""
        upto = newest_finished(EPOCH, kind="price") or EPOCH
        if upto < self._loaded_until:  # silver was emptied
            self._reset()
        if upto in (self._loaded_until, EPOCH) and high_water_mark(TABLE) == upto:
            return
        prices = open_table("silver.prices").to_pyarrow_dataset()
        window = (pc.field("ingested_at") > self._loaded_until) & (pc.field("ingested_at") <= upto)
        for batch in prices.to_batches(columns=list(self._closings.columns), filter=window):
            self._closings.load(pa.Table.from_batches([batch]))
        self._loaded_until = upto
        replace_rows(TABLE, series_stats(self._closings, candidates(upto)), upto=upto)


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
