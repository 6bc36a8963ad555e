"""The stream: Kafka -> bronze -> silver or quarantine -> gold, until it is told to stop."""

import json
import logging
import shutil
import sys
import threading
import time

from confluent_kafka import KafkaException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from conf.broker import create_topics
from conf.process import stopped_by_signals
from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.event import topics
from lakehouse.silver.verdicts import judged
from streaming_jobs import guard, kafka_source
from streaming_jobs.batch import BatchWriter
from streaming_jobs.bronze_ids import refill_ids
from streaming_jobs.delta_sink import create_tables
from streaming_jobs.event_ids import EventIds
from streaming_jobs.flows import HOT
from streaming_jobs.maintenance import Maintenance
from streaming_jobs.progress import Progress
from streaming_jobs.session import session
from streaming_jobs.slow_gold import SlowGold

log = logging.getLogger("lumbung.stream")
REFUSED = 5
WARM = ("price", "sensor")  # kinds that come by the second


def wait_for_kafka(seconds: float = 60) -> None:
    """Create the topics, waiting for the broker. Raises TimeoutError naming the address."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            create_topics([*topics(), *settings().kafka.legacy_topics])
            return
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no broker at {settings().kafka.bootstrap} within {seconds:.0f} s: {error}") from None
            log.info("waiting for the broker at %s", settings().kafka.bootstrap)
            time.sleep(1)


class Stream:
    """The query and the slow gold beside it, from start to `close`."""

    def __init__(self, spark: SparkSession, once: bool = False) -> None:
        """`once`: take up what Kafka holds, then end."""
        self._spark = spark
        self._ids: EventIds | None = None
        self._writer: BatchWriter | None = None
        self._maintenance = Maintenance((*HOT.appends, *HOT.gold))
        self.progress = Progress(kafka_source.stream_id() or "new")
        self.slow = SlowGold(settings().stream.slow_trigger_seconds)
        trigger = {"availableNow": True} if once else {"processingTime": f"{settings().stream.trigger_milliseconds} milliseconds"}
        self.query: StreamingQuery = (
            kafka_source.records(spark)
            .writeStream.foreachBatch(self._batch)
            .option("checkpointLocation", str(kafka_source.checkpoint_dir()))
            .queryName("lumbung")
            .trigger(**trigger)
            .start()
        )
        self.slow.start()

    def _batch(self, frame: DataFrame, batch_id: int) -> None:
        writer = self._writer or self._opened(batch_id)
        writer(frame, batch_id)
        for noted in (kafka_source.starting_offsets_file(), kafka_source.starting_after_file()):
            noted.unlink(missing_ok=True)  # from now on the checkpoint itself knows
        self._maintenance.take_turn()

    def _opened(self, batch_id: int) -> BatchWriter:
        """Only now does Spark have a checkpoint with an id."""
        stream_id = kafka_source.stream_id()
        if stream_id is None:
            raise RuntimeError("a batch without a checkpoint")
        self._ids = EventIds(settings().state_dir / "event_ids")
        refill_ids(self._spark, self._ids, stream_id, batch_id)
        self._writer = BatchWriter(self._spark, stream_id, self._ids, self.progress)
        self.progress.note(stream_id=stream_id)
        return self._writer

    def close(self) -> BaseException | None:
        """Stop both; returns what either has failed with."""
        self.query.stop()
        if self._writer:
            self._writer.close()
        self.slow.stop()
        if self._ids:
            self._ids.close()
        return self.query.exception() or self.slow.failure


def warm_up(spark: SparkSession) -> None:
    """Judge a table of nothing, so that the first real event does not pay for loading classes; rarer kinds pay themselves."""
    for kind in WARM:
        nothing = spark.createDataFrame(arrow_schema(contracts()["bronze.events"]).empty_table())
        judged(nothing, kind, settings().validation.model_dump()).toArrow()


def supervise(stream: Stream, stopping: threading.Event) -> None:
    """Wait until told to stop or until something fails; keep the heartbeat. Raises RuntimeError with what failed."""
    stream.progress.note(state="running")
    failure: BaseException | None = None
    try:
        while stream.query.isActive and stream.slow.is_alive() and not stopping.is_set():
            stopping.wait(2)
            last = stream.query.lastProgress
            stream.progress.note(lag_events=lag_of(last) if last else 0)
    finally:
        failure = stream.close()
    if failure and not stopping.is_set():
        raise RuntimeError(f"the stream failed: {failure}")


def lag_of(progress: object) -> int:
    """Records in Kafka beyond those taken up, as the source last saw it."""
    sources = getattr(progress, "sources", [])
    lag = 0
    for source in sources:
        end, latest = (json.loads(text or "null") or {} for text in (source.endOffset, source.latestOffset))
        for topic, partitions in latest.items():
            lag += sum(max(0, at - end.get(topic, {}).get(partition, 0)) for partition, at in partitions.items())
    return lag


def main(once: bool = False) -> int:
    """Exit code 0 after a clean stop, 5 when it must not start. `once`: take up what Kafka holds, then stop."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    stopping = stopped_by_signals(log)
    try:
        held = guard.lock()
        wait_for_kafka()
        guard.refuse_on_disagreement()
    except guard.Refused as refusal:
        print(f"the stream does not start:\n{refusal}", file=sys.stderr)
        return REFUSED
    create_tables()
    shutil.rmtree(settings().home / "spark", ignore_errors=True)
    log.info("starting Spark")
    spark = session()
    warm_up(spark)
    log.info("reading %s", ", ".join(kafka_source.subscribed()))
    stream = Stream(spark, once)
    try:
        supervise(stream, stopping)
    finally:
        stream.progress.note(state="stopped")
        spark.stop()
        held.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(once=sys.argv[1:] == ["--once"]))
