"""The stream: Kafka -> bronze -> silver or quarantine -> gold, until a signal stops it."""

import logging
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import KafkaException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, stopped_by_signals
from conf.settings import settings
from lakehouse.contracts.contract import ContractError, check_contracts
from lakehouse.event import topics
from lakehouse.io.checkpoint import batch_offsets, checkpoint_dir, stream_id
from lakehouse.io.decision_keys import decision_keys
from lakehouse.io.delta import create_tables
from lakehouse.io.kafka import create_topics, partition_bounds
from lakehouse.io.maintenance import Maintenance
from lakehouse.io.memory import release_memory
from lakehouse.io.process_status import STREAM_FAILURE, status_file
from lakehouse.io.torn_commits import take_back_torn_commits
from lakehouse.verdicts.check import check_rules
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
SMALL_BATCH_EVENTS = 2000  # it leaves little memory to give back, which takes milliseconds


def wait_for_kafka(seconds: float = 60) -> None:
    """Create the topics, waiting until the broker leads them all. Raises TimeoutError naming the address."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            create_topics([*topics(), *settings().kafka.legacy_topics])
            partition_bounds(kafka_source.subscribed())  # a broker that has just started lists topics earlier
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
        if sum(batch_offsets(batch_id).rows.values()) > SMALL_BATCH_EVENTS:
            release_memory()

    def _open_writer(self, batch_id: int) -> BatchWriter:
        """Called in the first batch: only now has Spark written a checkpoint with an id."""
        checkpoint_id = stream_id()
        if checkpoint_id is None:
            raise RuntimeError("a batch without a checkpoint")
        kafka_source.note_ids(checkpoint_id)
        self._ids = EventIds(settings().state_dir / "event_ids")
        refill_ids(self._spark, self._ids, checkpoint_id, batch_id)
        self._writer = BatchWriter(checkpoint_id, self._ids, self.progress)
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


def start_spark() -> SparkSession:
    """A session that has loaded what a batch needs."""
    shutil.rmtree(settings().home / "spark", ignore_errors=True)
    log.info("starting Spark")
    spark = session()
    spark.range(1).toArrow()  # loads the classes that the first batch would wait for
    return spark


def prepare_lake() -> None:
    """Check the rules, wait for Kafka, repair what a killed stream left, and create what is missing.

    Raises ContractError when a rule cannot be evaluated, Refused when checkpoint, tables and Kafka do not
    agree.
    """
    check_rules(settings().validation.model_dump())
    wait_for_kafka()
    take_back_torn_commits()
    heal(gold_of_the_stream())
    startup_checks.refuse_on_disagreement()
    decision_keys()
    create_tables()
    drop_damaged_ids()
    for table in fold_again():
        log.warning("%s lacked the last batch or a column: folded again from silver", table)


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
    """Exit code 0 after a clean stop, 5 when the stream must not start, 4 when Kafka does not answer.

    `once`: process what Kafka holds, then stop.
    """
    configure_logging()
    logging.getLogger("py4j").setLevel(logging.WARNING)
    stopping = stopped_by_signals(log)
    try:
        lock = startup_checks.lock()
        check_contracts()
        # The checks wait for Kafka and for the disk, Spark for the processor: both at once.
        with ThreadPoolExecutor(1, "spark") as pool:
            starting = pool.submit(start_spark)
            try:
                prepare_lake()
            except (ContractError, Refused):
                starting.result().stop()
                raise
            spark = starting.result()
    except (ContractError, Refused) as refusal:
        print(f"the stream does not start:\n{refusal}", file=sys.stderr)
        return exit_code_of(refusal)
    log.info("reading %s", ", ".join(kafka_source.subscribed()))
    stream = Stream(spark, once)
    try:
        supervise(stream, stopping)
    finally:
        stream.progress.update(state="stopped")
        spark.stop()
        lock.close()
    return ExitCode.DONE


def exit_code_of(refusal: ContractError | Refused) -> ExitCode:
    """NOT_RUNNING, with which supervisord starts the stream again, or REFUSED, with which it does not."""
    return ExitCode.NOT_RUNNING if isinstance(refusal, startup_checks.KafkaUnavailable) else ExitCode.REFUSED


if __name__ == "__main__":
    sys.exit(main(once=sys.argv[1:] == ["--once"]))
