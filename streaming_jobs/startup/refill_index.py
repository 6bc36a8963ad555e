"""bronze.events -> the event-id index, after it was lost or set back by a crash."""

import logging
import shutil
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.settings import settings
from lakehouse.arrow import ordered
from lakehouse.bronze.events import PAYLOAD_HASH, SENDER, with_identity
from lakehouse.io.checkpoint import batch_offsets
from lakehouse.io.delta import open_table
from lakehouse.io.query import run_sql
from streaming_jobs.batch.batch_time import batch_time, chunks, newest_other_batch
from streaming_jobs.batch.decisions import DECISION
from streaming_jobs.batch.event_index import EventIds, damage
from streaming_jobs.batch.kind_result import ARRIVAL_ORDER

log = logging.getLogger("lumbung.rebuild")
EVENTS_AT_ONCE = 1_000_000  # their ids and hashes take about 100 MB


def bronze_without(time: datetime | None) -> ds.Dataset:
    """Rows of bronze.events but those of the batch of that time, which will run again; all when None.

    Not by Kafka's positions: records of a broker that was wiped since have any.
    """
    rows = open_table("bronze.events").to_pyarrow_dataset()
    return rows if time is None else rows.filter(pc.field("ingested_at") != time)


def of_batches(times: list[datetime]) -> pc.Expression:
    """Which rows belong to the batches of these times, ascending and without a gap."""
    return (pc.field("ingested_at") >= times[0]) & (pc.field("ingested_at") <= times[-1])


def counts_by_batch(bronze: ds.Dataset) -> list[tuple[datetime, int, int]]:
    """Batch time, events and decisions of each batch, oldest first."""
    sql = f"""select ingested_at, count(*) as events, count(*) filter (kind = '{DECISION}') as decisions
              from bronze group by ingested_at order by ingested_at"""
    rows = run_sql(sql, {"bronze": bronze}).to_pylist()
    return [(row["ingested_at"], row["events"], row["decisions"]) for row in rows]


def drop_damaged_ids() -> bool:
    """Whether the index was damaged; then it is deleted, and `refill_ids` fills it from bronze."""
    folder = settings().state_dir / "event_ids"
    reason = damage(folder)
    if reason:
        log.warning("the event-id index cannot be used (%s): it is deleted and filled from bronze", reason)
        shutil.rmtree(folder)
    return bool(reason)


def refill_ids(ids: EventIds, stream_id: str, batch_id: int) -> None:
    """Bring the index to the batch before `batch_id`, which runs now: fill it from bronze unless it is there.

    What `batch_id` itself has added, before it was interrupted, is taken back.
    """
    last = ids.last_batch()
    if last == (stream_id, batch_id):
        ids.take_back()
        return
    if last == (stream_id, batch_id - 1) or (last is None and not open_table("bronze.events").count()):
        return
    log.warning(
        "the event-id index is at %s, needed is batch %d: filling it from bronze",
        last,
        batch_id - 1,
    )
    time = batch_time(batch_offsets(batch_id).time, newest_other_batch(stream_id, batch_id))
    count = ids.refill(hashes(bronze_without(time), EVENTS_AT_ONCE), stream_id, batch_id - 1)
    log.info("event-id index: filled from %d events", count)


def hashes(bronze: ds.Dataset, most: int) -> Iterator[pa.RecordBatch]:
    """What `EventIds.refill` reads, in order of arrival, about `most` events in memory at once."""
    kept = ["kind", "event_id", SENDER, PAYLOAD_HASH]
    read = ["kind", "event_id", "source", "value", "other_headers", *ARRIVAL_ORDER]
    for times in chunks([(time, events, 0) for time, events, _ in counts_by_batch(bronze)], most):
        parts = [
            with_identity(pa.Table.from_batches([rows])).select([*kept, *ARRIVAL_ORDER])
            for rows in bronze.to_batches(columns=read, filter=of_batches(times))
        ]
        arrived = ordered(pa.concat_tables(parts), *ARRIVAL_ORDER)
        yield from arrived.select(kept).to_batches()
