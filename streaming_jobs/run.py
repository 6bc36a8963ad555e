"""The stream: Kafka -> bronze -> silver or quarantine -> gold, until a signal stops it."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import KafkaException

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, stopped_by_signals, turn
from conf.settings import settings
from lakehouse.contracts.contract import ContractError, check_contracts
from lakehouse.io.checkpoint import Batch, finished_batch
from lakehouse.io.delta import create_tables
from lakehouse.io.kafka import create_topics, partition_bounds, subscribed
from lakehouse.io.maintenance import Maintenance
from lakehouse.io.process_status import STREAM_FAILURE, status_file
from lakehouse.io.signing_keys import signing_keys
from lakehouse.verdicts.check import check_rules
from streaming_jobs.batch.driver import BATCH_TURN, BatchDriver, BatchRecords
from streaming_jobs.batch.folded_gold import fold_again
from streaming_jobs.engine import Engine
from streaming_jobs.flows import appended, refreshed
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.progress import StreamProgress, note_failure
from streaming_jobs.startup import checks
from streaming_jobs.startup.heal import gold_of_the_stream, heal, take_back_torn_commits

log = logging.getLogger("lumbung.stream")


def wait_for_kafka(seconds: float = 60) -> None:
    """Create the topics, waiting until the broker leads them all. Raises TimeoutError naming the address."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            create_topics(subscribed())
            partition_bounds(subscribed())  # a broker that has just started lists topics earlier
            return
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"no broker at {settings().kafka.bootstrap} within {seconds:.0f} s: {error}"
                ) from None
            log.info("waiting for the broker at %s", settings().kafka.bootstrap)
            time.sleep(1)


class Batches:
    """Every batch of a stream, in order, in one thread, from its start to `close`.

    `finished` is called after each of them.
    """

    def __init__(self, progress: StreamProgress, finished: Callable[[], None]) -> None:
        self._progress = progress
        self._finished = finished
        self._driver: BatchDriver | None = None
        # The balance is written last in a batch and has its turn last.
        gold = sorted(refreshed("batch"), key=lambda table: table == "gold.balance")
        self._maintenance = Maintenance((*appended(), *gold))

    def __call__(self, records: BatchRecords, batch: Batch) -> None:
        """Judge and write the batch. Raises what keeps it from being finished."""
        with turn(BATCH_TURN):
            driver = self._driver or self._make_driver(batch.tag.stream_id)
            try:
                driver(records, batch)
            except Exception as error:
                note_failure(batch.tag.batch_id, error)
                raise
            self._finished()
            status_file(STREAM_FAILURE).unlink(missing_ok=True)
            self._maintenance.take_turn()

    def _make_driver(self, stream_id: str) -> BatchDriver:
        """Called in the first batch: a new stream has no id before it begins."""
        self._driver = BatchDriver(stream_id, self._progress)
        self._progress.update(stream_id=stream_id)
        return self._driver

    def close(self) -> None:
        """Save what this process remembers, and wait for commits that a failed batch has left under way."""
        if self._driver:
            self._driver.close()


class Stream:
    """The engine with its batches, and the thread of incremental gold, from start to `close`."""

    def __init__(self, engine: Engine, once: bool = False) -> None:
        """`once`: process what Kafka holds, then end."""
        self.engine = engine
        finished = finished_batch()
        self.progress = StreamProgress(finished.stream_id if finished else "new")
        self.incremental = IncrementalGold(settings().stream.incremental_gold_seconds)
        self._batches = Batches(self.progress, self.incremental.notify)
        engine.start(self._batches, once)
        self.incremental.start()

    @property
    def is_active(self) -> bool:
        """Whether the engine and the thread run."""
        return self.engine.is_active and self.incremental.is_alive()

    def close(self) -> BaseException | None:
        """Stop engine and thread; returns the failure of either."""
        self.engine.stop()
        self.incremental.stop()
        self._batches.close()
        return self.engine.failure or self.incremental.failure


def load_engine() -> Engine:
    """The engine that the knob names, ready to start. Spark takes seconds to load, the other nothing."""
    if settings().stream.engine == "embedded":
        from streaming_jobs.embedded.engine import EmbeddedEngine

        return EmbeddedEngine()
    from streaming_jobs.spark.stream import SparkEngine, start_spark

    return SparkEngine(start_spark())


def prepare_lake() -> None:
    """Check the rules, wait for Kafka, repair what a killed stream left, and create what is missing.

    Raises ContractError when a rule cannot be evaluated, Refused when tables and Kafka do not agree.
    """
    check_rules(settings().rule_values())
    wait_for_kafka()
    take_back_torn_commits()
    heal(gold_of_the_stream())
    checks.refuse_on_disagreement()
    signing_keys()
    create_tables()
    for table in fold_again():
        log.warning("%s lacked the last batch or a column: folded again from silver", table)


def supervise(stream: Stream, stopping: threading.Event) -> None:
    """Update the status until `stopping` is set or something fails. Raises RuntimeError with the failure."""
    stream.progress.update(state="running")
    failure: BaseException | None = None
    try:
        while stream.is_active and not stopping.is_set():
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
    stopping = stopped_by_signals(log)
    try:
        lock = checks.lock()
        checks.refuse_unshared_lake()
        check_contracts()
        # The checks wait for Kafka and for the disk, Spark for the processor: both at once.
        with ThreadPoolExecutor(1, "engine") as pool:
            loading = pool.submit(load_engine)
            try:
                with turn(BATCH_TURN):
                    prepare_lake()
            except (ContractError, Refused):
                loading.result().close()
                raise
            engine = loading.result()
    except (ContractError, Refused) as refusal:
        print(f"the stream does not start:\n{refusal}", file=sys.stderr)
        return exit_code_of(refusal)
    log.info("reading %s", ", ".join(subscribed()))
    stream = Stream(engine, once)
    try:
        supervise(stream, stopping)
    finally:
        stream.progress.update(state="stopped")
        engine.close()
        lock.close()
    return ExitCode.DONE


def exit_code_of(refusal: ContractError | Refused) -> ExitCode:
    """NOT_RUNNING, with which supervisord starts the stream again, or REFUSED, with which it does not."""
    return ExitCode.NOT_RUNNING if isinstance(refusal, checks.KafkaUnavailable) else ExitCode.REFUSED


if __name__ == "__main__":
    sys.exit(main(once=sys.argv[1:] == ["--once"]))
