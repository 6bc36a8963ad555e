"""Gold has the same rows from Spark as from DuckDB, and what refreshes it goes on from what Spark wrote."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from chispa import assert_approx_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, explode_outer
from pyspark.sql.types import ArrayType, StructType

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import empty_table, high_water_mark, open_table
from streaming_jobs.batch.folded_gold import FoldedGold, fold_again
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.gold.runner import make_job
from streaming_jobs.repair.rebuild_gold import BatchEngine, gold_tables
from streaming_jobs.spark.jobs import rebuild
from tests.support.gold.batches import Batches, assert_equals_recomputation, cut, jobs_of
from tests.support.gold.rows import differences, rows_of
from tests.support.gold.subjects import SUBJECTS
from tests.support.price_lake import Stream, batches, price_rows, sensor_rows
from tests.support.recomputed_gold import RECOMPUTED

PRECISION = 1e-7  # of figures, which are added up in another order
PRICES = ("gold.live_prices", "gold.sensors_live", "gold.price_history", "gold.daily_prices", "gold.markets")
BY_SUBJECT = {
    name: tables
    for name, subject in SUBJECTS.items()
    if (tables := [table for table in gold_tables(BatchEngine.spark) if table in subject.recomputed])
}


@pytest.fixture(autouse=True)
def interpreted(spark: SparkSession) -> Iterator[None]:
    """To compile the expressions of a plan takes longer than to run it on few rows."""
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    yield
    spark.conf.unset("spark.sql.codegen.factoryMode")


def assert_same_rows(spark: SparkSession, table: str) -> None:
    """Spark computes all rows of the table again: they are those that it holds."""
    before = open_table(table)
    rows = spark.createDataFrame(before.to_pyarrow_table())
    rebuild(spark, table)
    assert open_table(table).version() > before.version()
    computed = spark.createDataFrame(open_table(table).to_pyarrow_table())
    assert_approx_df_equality(flat(rows), flat(computed), PRECISION, ignore_row_order=True)


def flat(rows: DataFrame) -> DataFrame:
    """A row for each entry of a list of structs: figures in a list are compared exactly."""
    for field in rows.schema.fields:
        if isinstance(field.dataType, ArrayType) and isinstance(field.dataType.elementType, StructType):
            entries = rows.withColumn(field.name, explode_outer(field.name))
            parts = [
                col(f"{field.name}.{part}").alias(f"{field.name}_{part}")
                for part in field.dataType.elementType.names
            ]
            rows = entries.select("*", *parts).drop(field.name)
    return rows


def assert_nothing_is_due(tables: Sequence[str], refresh: Callable[[], None]) -> None:
    """What refreshes the tables takes what Spark wrote as its own."""
    versions = [open_table(table).version() for table in tables]
    refresh()
    assert [open_table(table).version() for table in tables] == versions


@pytest.mark.parametrize("name", BY_SUBJECT)
def test_background_gold_is_the_same_on_spark(lake: Path, spark: SparkSession, name: str) -> None:
    subject = SUBJECTS[name]
    rng = random.Random(6)
    rows = subject.rows(rng)
    written = Batches()

    def refresh() -> None:
        for job in jobs_of(subject):
            job.refresh()

    first, second = cut(rows, 2, rng, subject)
    written.write(first)
    refresh()
    for table in BY_SUBJECT[name]:
        assert_same_rows(spark, table)
    assert_nothing_is_due(BY_SUBJECT[name], refresh)
    written.write(second)
    refresh()
    assert_equals_recomputation(subject, list(rows), written.newest)


def test_gold_of_the_stream_is_the_same_on_spark(lake: Path, spark: SparkSession) -> None:
    stream = Stream()
    prices, readings = batches(price_rows(7), 2, 7, True), batches(sensor_rows(7), 2, 7, True)
    stream.write(prices[0], readings[0])
    IncrementalGold(1).refresh()
    for table in PRICES:
        assert_same_rows(spark, table)
    assert fold_again() == []
    assert_nothing_is_due(PRICES, IncrementalGold(1).refresh)
    stream.gold = FoldedGold()
    stream.write(prices[1], readings[1])
    IncrementalGold(1).refresh()
    silver = {table: rows_of(table) for table in ("silver.prices", "silver.sensors")}
    for table in PRICES:
        assert not differences(contracts()[table], rows_of(table), RECOMPUTED[table](silver))


@pytest.mark.parametrize("is_set_back", [False, True])
def test_mark_is_committed_with_the_rows_of_spark(lake: Path, spark: SparkSession, is_set_back: bool) -> None:
    """Of a table that was never refreshed, and of sources that were set back to an earlier batch."""
    subject = SUBJECTS["quality"]
    rows = subject.rows(random.Random(7))
    written = Batches()
    if is_set_back:
        for _ in range(2):
            written.write(rows)
        make_job("quality_hourly").refresh()
        for table in (*rows, "gold.balance"):
            empty_table(table)
        written.number = 0
    written.write(rows)
    rebuild(spark, "gold.quality_hourly")
    assert high_water_mark("gold.quality_hourly") == written.newest
    assert_nothing_is_due(["gold.quality_hourly"], make_job("quality_hourly").refresh)
    assert_equals_recomputation(subject, list(rows), written.newest)


def test_every_contract_with_sql_is_compared() -> None:
    compared = {*PRICES, *(table for tables in BY_SUBJECT.values() for table in tables)}
    assert compared == {table for table, contract in contracts().items() if contract.sql}
