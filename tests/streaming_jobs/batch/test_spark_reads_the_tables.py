"""Spark reads the tables that delta-rs wrote: the same rows, the columns and comments of the contract."""

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame

from lakehouse.arrow import column_comment
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import read_rows, table_uri
from tests.streaming_jobs.conftest import Stream, price

COMPARED = ("bronze.events", "silver.prices", "silver.quarantine", "gold.live_prices", "gold.balance")


def in_order(frame: DataFrame) -> DataFrame:
    """Sorted by all columns that Spark can sort by."""
    return frame.sort([name for name, data_type in frame.dtypes if "map<" not in data_type])


@pytest.mark.slow
def test_spark_reads_the_rows_and_comments_that_were_written(on_spark: Stream):
    on_spark.send(price("accepted"), price("bad", -5))
    on_spark.run()
    spark = on_spark.spark
    assert spark is not None
    for name in COMPARED:
        read = spark.read.format("delta").load(table_uri(name))
        comments = {field.name: field.metadata.get("comment") for field in read.schema.fields}
        assert comments == {column.name: column_comment(column) for column in contracts()[name].columns}
        rows = read_rows(name)
        assert rows.num_rows
        assert_df_equality(read, spark.createDataFrame(rows, schema=read.schema), transforms=[in_order])
