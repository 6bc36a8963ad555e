"""The Spark session, local or on a cluster (knob `stream.master`); each setting with its reason."""

import os
import sys
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from conf.settings import REPO, settings

JARS = REPO / "conf" / "jars" / "spark" / ".jgo"


def jars() -> list[str]:
    """Connector and Delta jars that pyspark does not contain: a second copy of a library would clash."""
    bundled = {jar.name for jar in (Path(pyspark.__file__).parent / "jars").glob("*.jar")}
    extra = sorted(str(jar) for jar in JARS.rglob("*.jar") if jar.name not in bundled)
    if not extra:
        raise SystemExit("no Spark jars: run ./run.sh setup")
    return extra


def session(app_name: str = "lumbung", master: str | None = None, cores_shuffle: int = 2) -> SparkSession:
    """A session with Delta and Kafka.

    Times are UTC; one shuffle partition per core of the smallest machine.
    """
    knobs = settings().stream
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Python workers import the product, wherever the process that starts them was started.
    os.environ["PYTHONPATH"] = str(REPO)
    scratch = settings().home / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    options = {
        "spark.jars": ",".join(jars()),
        "spark.driver.memory": f"{knobs.driver_memory_mb}m",
        # Records pass through the heap in parts of this size, on their way to Python.
        "spark.sql.execution.arrow.maxBytesPerBatch": str(16 << 20),
        # A deep plan overflows the default stack when a query stops; ParallelGC costs least at this heap
        # size. Without the optimising compiler an idle JVM uses 2.0 instead of 3.1 % of a core, and 300,000
        # events from a cold start cost no more.
        "spark.driver.extraJavaOptions": "-Xss8m -XX:+UseParallelGC -XX:TieredStopAtLevel=1"
        " -XX:-UsePerfData -XX:MaxMetaspaceSize=400m -XX:ReservedCodeCacheSize=160m"
        f' -Djava.io.tmpdir="{scratch}" -Dderby.system.home="{scratch}"',
        "spark.python.daemon.module": "streaming_jobs.spark.daemon",
        "spark.executorEnv.PYTHONPATH": str(REPO),
        # An executor then has one Python worker, which keeps what its partitions remember between batches.
        "spark.executor.cores": "1",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.hadoop.fs.permissions.umask-mode": "077",  # Hadoop sets modes itself, whatever the umask
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",  # a failing cast is a null that a rule sees, not an exception
        "spark.sql.shuffle.partitions": str(cores_shuffle),
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        # Pause between two looks for new offsets while there are no events; a batch that follows on another
        # does not wait. A look costs four requests per source: at the default of 10 ms an idle stack took 25
        # to 40 % of a core, at 250 ms 4 % for the looks alone.
        "spark.sql.streaming.pollingDelay": "500ms",
        "spark.sql.mapKeyDedupPolicy": "LAST_WIN",  # a repeated header must not end the stream
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.databricks.delta.writeChecksumFile.enabled": "false",
        "spark.databricks.delta.autoCompact.enabled": "false",  # files are merged between batches
        # The default, INT96, has no statistics, and other readers take it as nanoseconds.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # Row rules are one wide projection: as a single generated method it is too large for the JIT and runs
        # interpreted.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.inMemoryColumnarStorage.compressed": "false",  # a batch lives for a second
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.cleaner.periodicGC.interval": "10min",
        "spark.log.level": "WARN",
    }
    if "://" not in settings().lake_root:
        # One writer process per table (held by our lock) on a local disk: no copy-and-rename protocol is
        # needed.
        options["spark.delta.logStore.file.impl"] = "io.delta.storage.LocalLogStore"
    builder = SparkSession.builder.appName(app_name).master(master or knobs.master)
    for key, value in (options | knobs.spark).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
