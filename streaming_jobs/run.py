"""The stream: Kafka -> bronze -> silver or quarantine -> gold, until a signal stops it."""

import logging
import shutil
import sys
import threading
import time

from confluent_kafka import KafkaException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, stopped_by_signals
from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.event import topics
from lakehouse.io.checkpoint import checkpoint_dir, stream_id
from lakehouse.io.decision_keys import decision_keys
from lakehouse.io.delta import create_tables
from lakehouse.io.kafka import create_topics
from lakehouse.io.maintenance import Maintenance
from lakehouse.io.process_status import STREAM_FAILURE, status_file
from lakehouse.io.torn_commits import take_back_torn_commits
from lakehouse.silver.verdicts import with_verdicts
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.event_index import EventIds
from streaming_jobs.batch.folded_gold import fold_again
from streaming_jobs.batch.writer import BatchWriter
from streaming_jobs.flows import appended, refreshed
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.progress import StreamProgress, note_failure
from streaming_jobs.repair import startup_checks
from streaming_jobs.repair.heal import gold_of_the_stream, heal
from streaming_jobs.repair.refill_index import drop_damaged_ids, refill_ids
from streaming_jobs.session import session

log = logging.getLogger("lumbung.stream")
WARM_KINDS = ("price", "sensor")  # kinds that arrive every second


def wait_for_kafka(seconds: float = 60) -> None:
    """Create the topics, waiting for the broker. Raises TimeoutError naming the address."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            create_topics([*topics(), *settings().kafka.legacy_topics])
            return
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"no broker at {settings().kafka.bootstrap} within {seconds:.0f} s: {error}"
                ) from None
            log.info("waiting for the broker at %s", settings().kafka.bootstrap)
            time.sleep(1)


class Stream:
    """The query and the thread of incremental gold, from start to `close`."""

    def __init__(self, spark: SparkSession, once: bool = False) -> None:
        """`once`: process what Kafka holds, then end."""
        self._spark = spark
        self._ids: EventIds | None = None
        self._writer: BatchWriter | None = None
        # The balance is written last in a batch and has its turn last.
        gold = sorted(refreshed("batch"), key=lambda table: table == "gold.balance")
        self._maintenance = Maintenance((*appended(), *gold))
        self.progress = StreamProgress(stream_id() or "new")
        self.incremental = IncrementalGold(settings().stream.incremental_gold_seconds)
        trigger = (
            {"availableNow": True}
            if once
            else {"processingTime": f"{settings().stream.trigger_milliseconds} milliseconds"}
        )
        self.query: StreamingQuery = (
            kafka_source.records(spark)
            .writeStream.foreachBatch(self._batch)
            .option("checkpointLocation", str(checkpoint_dir()))
            .queryName("lumbung")
            .trigger(**trigger)
            .start()
        )
        self.incremental.start()

    def _batch(self, frame: DataFrame, batch_id: int) -> None:
        writer = self._writer or self._open_writer(batch_id)
        try:
            writer(frame, batch_id)
        except Exception as error:
            note_failure(batch_id, error)
            raise
        status_file(STREAM_FAILURE).unlink(missing_ok=True)
        for file in (kafka_source.starting_offsets_file(), kafka_source.starting_after_file()):
            file.unlink(missing_ok=True)  # from now on the checkpoint holds the position
        self._maintenance.take_turn()

    def _open_writer(self, batch_id: int) -> BatchWriter:
        """Called in the first batch: only now has Spark written a checkpoint with an id."""
        checkpoint_id = stream_id()
        if checkpoint_id is None:
            raise RuntimeError("a batch without a checkpoint")
        kafka_source.note_ids(checkpoint_id)
        self._ids = EventIds(settings().state_dir / "event_ids")
        refill_ids(self._spark, self._ids, checkpoint_id, batch_id)
        self._writer = BatchWriter(self._spark, checkpoint_id, self._ids, self.progress)
        self.progress.update(stream_id=checkpoint_id)
        return self._writer

    def close(self) -> BaseException | None:
        """Stop query and thread; returns the failure of either."""
        self.query.stop()
        if self._writer:
            self._writer.close()
        self.incremental.stop()
        if self._ids:
            self._ids.close()
        return self.query.exception() or self.incremental.failure


def warm_up(spark: SparkSession) -> None:
    """Judge an empty table of each frequent kind, so that its first event does not wait for class loading."""
    for kind in WARM_KINDS:
        empty = spark.createDataFrame(arrow_schema(contracts()["bronze.events"]).empty_table())
        with_verdicts(empty, kind, settings().validation.model_dump()).toArrow()


def supervise(stream: Stream, stopping: threading.Event) -> None:
    """Update the status until `stopping` is set or something fails. Raises RuntimeError with the failure."""
    stream.progress.update(state="running")
    failure: BaseException | None = None
    try:
        while stream.query.isActive and stream.incremental.is_alive() and not stopping.is_set():
            stopping.wait(2)
            stream.progress.update()
    finally:
        failure = stream.close()
    if failure and not stopping.is_set():
        raise RuntimeError(f"the stream failed: {failure}")


def main(once: bool = False) -> int:
    """Exit code 0 after a clean stop, 5 when the stream must not start.

    `once`: process what Kafka holds, then stop.
    """
    configure_logging()
    logging.getLogger("py4j").setLevel(logging.WARNING)
    stopping = stopped_by_signals(log)
    try:
        lock = startup_checks.lock()
        wait_for_kafka()
        take_back_torn_commits()
        heal(gold_of_the_stream())
        startup_checks.refuse_on_disagreement()
        decision_keys()
    except Refused as refusal:
        print(f"the stream does not start:\n{refusal}", file=sys.stderr)
        return ExitCode.REFUSED
    create_tables()
    drop_damaged_ids()
    for table in fold_again():
        log.warning("%s lacked the last batch or a column: folded again from silver", table)
    shutil.rmtree(settings().home / "spark", ignore_errors=True)
    log.info("starting Spark")
    spark = session()
    warm_up(spark)
    log.info("reading %s", ", ".join(kafka_source.subscribed()))
    stream = Stream(spark, once)
    try:
        supervise(stream, stopping)
    finally:
        stream.progress.update(state="stopped")
        spark.stop()
        lock.close()
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(once=sys.argv[1:] == ["--once"]))
