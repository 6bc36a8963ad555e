"""The baseline: a first Spark script that only parses and appends.

It has no rules, no removal of duplicates, no recovery, and Spark's default settings.
"""

import sys

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.settings import settings
from lakehouse.event import TOPIC_PREFIX
from streaming_jobs.spark.session import jars

SCHEMA = (
    "event_id string, event_time string, market_id string, commodity string, price double, unit string, "
    "device_id string, channel string"
)


def main(target: str) -> None:
    """Append every event in Kafka to one Delta table at `target`, then stop."""
    spark = (
        SparkSession.builder.appName("naive")
        .master("local[2]")
        .config("spark.jars", ",".join(jars()))
        .config("spark.driver.memory", f"{settings().stream.driver_memory_mb}m")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )

    def append(frame: DataFrame, batch_id: int) -> None:
        frame.write.format("delta").mode("append").save(target)

    query = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings().kafka.bootstrap)
        .option("subscribePattern", f"{TOPIC_PREFIX}.*")
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", settings().stream.max_events_per_batch)
        .load()
        .select("topic", "partition", "offset", "timestamp", F.col("value").cast("string").alias("text"))
        .withColumn("event", F.from_json("text", SCHEMA))
        .select("*", "event.*")
        .drop("event")
        .writeStream.foreachBatch(append)
        .option("checkpointLocation", f"{target}_checkpoint")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
