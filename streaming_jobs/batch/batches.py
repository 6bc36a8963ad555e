"""What an engine calls for each batch: the writer, opened in the first one, and what follows every batch."""

from collections.abc import Callable

import pyarrow as pa

from conf.settings import settings
from lakehouse.io.checkpoint import stream_id
from lakehouse.io.maintenance import Maintenance
from lakehouse.io.memory import release_memory
from lakehouse.io.process_status import STREAM_FAILURE, status_file
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.event_index import EventIds
from streaming_jobs.batch.writer import BatchWriter
from streaming_jobs.flows import appended, refreshed
from streaming_jobs.progress import StreamProgress, note_failure
from streaming_jobs.startup.refill_index import refill_ids

SMALL_BATCH_EVENTS = 2000  # it leaves little memory to give back, which takes milliseconds


class Batches:
    """Every batch of a stream, in order, in one thread, from its start to `close`.

    `finished` is called after each of them.
    """

    def __init__(self, progress: StreamProgress, finished: Callable[[], None]) -> None:
        self._progress = progress
        self._finished = finished
        self._ids: EventIds | None = None
        self._writer: BatchWriter | None = None
        # The balance is written last in a batch and has its turn last.
        gold = sorted(refreshed("batch"), key=lambda table: table == "gold.balance")
        self._maintenance = Maintenance((*appended(), *gold))

    def __call__(self, records: pa.Table, batch_id: int) -> None:
        """Judge and write the batch, which the checkpoint has planned. `records`: as RECORDS.

        Raises what keeps it from being finished.
        """
        writer = self._writer or self._open_writer(batch_id)
        try:
            writer(records, batch_id)
        except Exception as error:
            note_failure(batch_id, error)
            raise
        self._finished()
        status_file(STREAM_FAILURE).unlink(missing_ok=True)
        for file in (kafka_source.starting_offsets_file(), kafka_source.starting_after_file()):
            file.unlink(missing_ok=True)  # from now on the checkpoint holds the position
        self._maintenance.take_turn()
        if records.num_rows > SMALL_BATCH_EVENTS:
            release_memory()

    def _open_writer(self, batch_id: int) -> BatchWriter:
        """Called in the first batch: only now has Spark written a checkpoint with an id."""
        checkpoint_id = stream_id()
        if checkpoint_id is None:
            raise RuntimeError("a batch without a checkpoint")
        kafka_source.note_ids(checkpoint_id)
        self._ids = EventIds(settings().state_dir / "event_ids")
        refill_ids(self._ids, checkpoint_id, batch_id)
        self._writer = BatchWriter(checkpoint_id, self._ids, self._progress)
        self._progress.update(stream_id=checkpoint_id)
        return self._writer

    def close(self) -> None:
        """Wait for appends that a failed batch has left under way, and release the index."""
        if self._writer:
            self._writer.close()
        if self._ids:
            self._ids.close()
