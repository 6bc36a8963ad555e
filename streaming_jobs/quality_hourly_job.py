"""gold.data_quality -> gold.quality_hourly: counts of batches added up by the hour."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lakehouse.contract import contracts
from streaming_jobs.delta_sink import open_table, overwrite_arrow, taken_up_to
from streaming_jobs.slow_gold import answer

TABLE = "gold.quality_hourly"


class QualityHourly:
    """Adds up anew the hours that newly finished batches reach over; all others stand."""

    name = "quality_hourly"

    def refresh(self) -> None:
        """Bring the table to the newest finished batch. A batch's counts stand in one hour, that of its last receipt."""
        fresh = (
            open_table("gold.balance")
            .to_pyarrow_dataset()
            .to_table(columns=["stream_id", "batch_id", "ingested_at"], filter=pc.field("ingested_at") > taken_up_to(TABLE))
        )
        if not fresh.num_rows:
            return
        counts, contract = open_table("gold.data_quality").to_pyarrow_dataset(), contracts()[TABLE]
        first, last = span_of(counts, fresh)
        inside = (pc.field("window_end") >= first) & (pc.field("window_end") < last + timedelta(hours=1))
        rows = answer(contract, {"gold_data_quality": counts.to_table(filter=inside)})
        predicate = f"hour >= '{first:%Y-%m-%dT%H:%M:%SZ}' and hour <= '{last:%Y-%m-%dT%H:%M:%SZ}'"
        overwrite_arrow(rows, contract, "{}", predicate=predicate, upto=pc.max(fresh["ingested_at"]).as_py())


def span_of(counts: ds.Dataset, fresh: pa.Table) -> tuple[datetime, datetime]:
    """First and last hour that the batches belong to. Files of earlier batches are skipped by their statistics."""
    ends: list[datetime] = []
    for run in fresh.group_by("stream_id").aggregate([("batch_id", "min"), ("batch_id", "max")]).to_pylist():
        of_run = (pc.field("batch_id") >= run["batch_id_min"]) & (pc.field("batch_id") <= run["batch_id_max"])
        rows = counts.to_table(columns=["window_end"], filter=of_run & (pc.field("stream_id") == run["stream_id"]))
        ends += [end for end in pc.min_max(rows["window_end"]).as_py().values() if end is not None]
    hours = [end.replace(minute=0, second=0, microsecond=0) for end in ends]
    return min(hours), max(hours)
