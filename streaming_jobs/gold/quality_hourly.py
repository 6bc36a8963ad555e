"""gold.data_quality -> gold.quality_hourly: the counts of batches, summed by the hour."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lakehouse.contracts.contract import contracts
from lakehouse.gold.data_quality import counts_by_rule
from lakehouse.io.delta import high_water_mark, open_table, replace_rows
from lakehouse.io.query import run_contract_sql

TABLE = "gold.quality_hourly"
HOUR = "%Y-%m-%dT%H:%M:%SZ"


class QualityHourly:
    """Computes the hours again that newly finished batches touch; all others stay."""

    name = "quality_hourly"

    def refresh(self) -> None:
        """Bring the table to the newest finished batch. A batch counts in the hour of its last receipt."""
        finished = (
            open_table("gold.balance")
            .to_pyarrow_dataset()
            .to_table(
                columns=["stream_id", "batch_id", "ingested_at"],
                filter=pc.field("ingested_at") > high_water_mark(TABLE),
            )
        )
        if not finished.num_rows:
            return
        counts = open_table("gold.data_quality").to_pyarrow_dataset()
        first, last = hours_of(counts, finished)
        inside = (pc.field("window_end") >= first) & (pc.field("window_end") < last + timedelta(hours=1))
        by_rule = counts_by_rule(counts.to_table(filter=inside))
        rows = run_contract_sql(contracts()[TABLE], {"gold_data_quality": by_rule})
        predicate = f"hour >= '{first:{HOUR}}' and hour <= '{last:{HOUR}}'"
        replace_rows(TABLE, rows, predicate=predicate, upto=pc.max(finished["ingested_at"]).as_py())


def hours_of(counts: ds.Dataset, finished: pa.Table) -> tuple[datetime, datetime]:
    """First and last hour that the batches belong to.

    Files of earlier batches are skipped by their statistics.
    """
    ends: list[datetime] = []
    streams = finished.group_by("stream_id").aggregate([("batch_id", "min"), ("batch_id", "max")])
    for stream in streams.to_pylist():
        batches = (pc.field("batch_id") >= stream["batch_id_min"]) & (
            pc.field("batch_id") <= stream["batch_id_max"]
        )
        rows = counts.to_table(
            columns=["window_end"], filter=batches & (pc.field("stream_id") == stream["stream_id"])
        )
        ends += [end for end in pc.min_max(rows["window_end"]).as_py().values() if end is not None]
    hours = [end.replace(minute=0, second=0, microsecond=0) for end in ends]
    return min(hours), max(hours)


JOB = QualityHourly
