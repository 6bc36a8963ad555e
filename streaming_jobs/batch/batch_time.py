"""The time of a batch, `ingested_at` of its rows: later than that of every batch before it."""

from datetime import datetime, timedelta

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.io.delta import open_table

STEP = timedelta(milliseconds=1)  # Spark's statistics of a file have this precision


def batch_time(clock: datetime, last: datetime | None) -> datetime:
    """`clock`, the time that the checkpoint notes; after a step back of the clock just later than `last`.

    Gold is brought up to date, and bronze judged again, by the order of these times.
    """
    return max(clock, last + STEP) if last else clock


def newest_other_batch(stream_id: str, batch_id: int) -> datetime | None:
    """Time of the newest batch in gold.balance apart from this one; None without one.

    The balance is written last in a batch: a batch that is retried finds the same time again.
    """
    this = (pc.field("stream_id") == stream_id) & (pc.field("batch_id") == batch_id)
    others = open_table("gold.balance").to_pyarrow_dataset().to_table(columns=["ingested_at"], filter=~this)
    newest: datetime | None = pc.max(others["ingested_at"]).as_py()
    return newest


def with_batch_time(frame: DataFrame, time: datetime) -> DataFrame:
    """`frame`: rows of bronze.events."""
    return frame.withColumns({"ingested_at": F.lit(time), "ingest_date": F.lit(time.date())})
