"""Whole Delta tables on Spark, for a lake that outgrows one machine: gold by its SQL, bronze judged again.

A gold table is written in one commit with the mark of the batches that its rows follow from. The process that
refreshes it goes on from there.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa
import sqlglot
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sqlglot import exp

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import (
    EPOCH,
    HIGH_WATER_MARK,
    empty_table,
    high_water_mark,
    note_write,
    open_table,
    replace_rows,
    table_uri,
)
from lakehouse.io.query import reference_tables, sql_of
from lakehouse.paths import view_name
from streaming_jobs.batch.folded_gold import newest_finished_batch
from streaming_jobs.batch.task import BatchTask, Written
from streaming_jobs.flows import job_of
from streaming_jobs.gold.contract_sql import OverwriteJob, given_views
from streaming_jobs.gold.driver import BALANCE, QUARANTINE, BatchJob, Views, literal
from streaming_jobs.gold.runner import make_job
from streaming_jobs.spark.session import session
from streaming_jobs.spark.stream import run_task, written_of

# Functions of DuckDB that sqlglot does not know: as functions of the session.
FUNCTIONS = {
    "epoch_us": "(t timestamp) returns bigint return unix_micros(t)",
    "timezone": "(zone string, t timestamp) returns timestamp return from_utc_timestamp(t, zone)",
    "to_microseconds": "(n bigint) returns interval day to second return make_dt_interval(0, 0, 0, n / 1e6)",
}
# The stream plans its small batches once and in few parts.
BATCH_OPTIONS = {
    "adaptive.enabled": "true",
    "shuffle.partitions": "64",
    "codegen.wholeStage": "true",
}


@dataclass(frozen=True)
class Inputs:
    """What all rows of a table follow from, besides the tables of the lake that its SQL reads.

    `views`: of Arrow, which no table holds. `upto`: the newest batch whose rows count; None: all rows count.
    `made_from`: fingerprint of what else the rows are made from. `tag`: JSON for the commit.
    """

    views: Views
    upto: datetime | None = None
    made_from: int | None = None
    tag: str | None = None


def batch_session() -> SparkSession:
    """A session for jobs over whole tables: plans adapt to their size."""
    spark = session("rebuild")
    for name, value in BATCH_OPTIONS.items():
        spark.conf.set(f"spark.sql.{name}", value)
    spark.sparkContext.setLogLevel("ERROR")  # warnings of plans, which a person at a terminal cannot act on
    return spark


def judge_again(spark: SparkSession, task: BatchTask, topics: Sequence[str]) -> list[Written]:
    """Judge rows of these topics in bronze, of the batches of the task. A place has one task of Spark."""
    older = F.col("topic").isin(settings().kafka.legacy_topics)  # all of them are one place
    rows = (
        spark.read.format("delta")
        .load(table_uri("bronze.events"))
        .filter(f"ingested_at >= timestamp {literal(task.times[0])}")
        .filter(f"ingested_at <= timestamp {literal(task.time)}")
        .filter(F.col("topic").isin(list(topics)))
        .repartition(F.when(older, "").otherwise(F.col("topic")), F.when(~older, F.col("partition")))
        .mapInArrow(partial(run_task, task), "written binary")
        .toArrow()
    )
    return written_of(rows)


def compact(spark: SparkSession, table: str) -> tuple[int, int]:
    """Merge small files and remove old ones; returns how many were merged, and those that they became."""
    spark.conf.set("spark.databricks.delta.optimize.maxFileSize", str(settings().lake.compact_target_bytes))
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")  # a week at least
    metrics = spark.sql(f"optimize delta.`{table_uri(table)}`").collect()[0]["metrics"]
    spark.sql(f"vacuum delta.`{table_uri(table)}` retain {contracts()[table].retention_hours} hours")
    return metrics["numFilesRemoved"], metrics["numFilesAdded"]


def rebuild(spark: SparkSession, table: str) -> None:
    """Compute all rows of a gold table whose contract has SQL and write them in one commit.

    Nothing else may write the table meanwhile. Without a finished batch it is emptied.
    """
    contract = contracts()[table]
    inputs = inputs_of(contract)
    if inputs is None:
        empty_table(table)
        return
    _write(computed(spark, contract, inputs), contract, inputs)
    spark.catalog.clearCache()
    if inputs.made_from is not None:  # killed before this, the writer computes the table once more
        replace_rows(table, [], predicate="false", made_from=inputs.made_from)


def inputs_of(contract: Contract) -> Inputs | None:
    """As the code that refreshes the table has them; None before the first batch that it follows from."""
    if contract.refreshed == "batch":
        batch = newest_finished_batch(contract.reads[0])
        return Inputs({}, tag=batch.text()) if batch else None
    job = make_job(job_of(contract.table))
    sql = sql_of(contract)
    if isinstance(job, OverwriteJob):
        sources = {name: open_table(name) for name in job.sources}
        return Inputs(reference_tables(sql), made_from=job.fingerprint(sources))
    if not isinstance(job, BatchJob) or (news := job.everything()) is None:
        return None
    return Inputs(given_views(sql, news.upto) | job.prepared(news.of), news.upto, job.made_from)


def computed(spark: SparkSession, contract: Contract, inputs: Inputs) -> DataFrame:
    """All rows of the table, in the contract's columns and types."""
    for name, definition in FUNCTIONS.items():
        if not spark.catalog.functionExists(name):
            spark.sql(f"create temporary function {name}{definition}")
    own = {view_name(contract.table): arrow_schema(contract).empty_table()}
    for name, view in (own | inputs.views).items():
        _frame(spark, view).createOrReplaceTempView(name)
    for table in contract.reads:
        _source(spark, contracts()[table], inputs.upto).createOrReplaceTempView(view_name(table))
    if contract.changed:
        _answer(spark, contract.changed).createOrReplaceTempView("changed")
    answer = _answer(spark, sql_of(contract))
    columns = (answer[column.name].cast(column.type).alias(column.name) for column in contract.columns)
    rows = answer.select(*columns)
    if contract.partition_by:
        rows = rows.repartition(*contract.partition_by)
    order = (*contract.partition_by, *contract.sort_by)
    return rows.sortWithinPartitions(*order) if order else rows


def _answer(spark: SparkSession, sql: str) -> DataFrame:
    """Rows of the SQL of a contract. Spark would compute a view of its WITH again for each use."""
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    uses = Counter(table.name for table in tree.find_all(exp.Table))
    if views := tree.find(exp.With):
        views.pop()
        for view in views.expressions:
            rows = spark.sql(view.this.sql("spark"))
            (rows.persist() if uses[view.alias] > 1 else rows).createOrReplaceTempView(view.alias)
    return spark.sql(tree.sql("spark"))


def _frame(spark: SparkSession, view: pa.Table | pa.RecordBatchReader) -> DataFrame:
    return spark.createDataFrame(view.read_all() if isinstance(view, pa.RecordBatchReader) else view)


def _source(spark: SparkSession, contract: Contract, upto: datetime | None) -> DataFrame:
    """The rows of a table of the lake; of one that batches append to, those of batches up to a time."""
    frame = spark.read.format("delta").load(table_uri(contract.table))
    if upto is None or contract.refreshed != "batch":
        return frame
    if contract.table == QUARANTINE:
        return frame.filter(f"quarantined_at <= timestamp {literal(upto)}")
    if "ingested_at" in contract.column_names:
        return frame.filter(f"ingested_at <= timestamp {literal(upto)}")
    finished = _source(spark, contracts()[BALANCE], upto).select("stream_id", "batch_id")
    return frame.join(finished, ["stream_id", "batch_id"], "left_semi")


def _write(rows: DataFrame, contract: Contract, inputs: Inputs) -> None:
    options = {} if inputs.tag is None else {"userMetadata": inputs.tag}
    if inputs.upto is not None:
        options |= _mark(contract.table, inputs.upto)
    rows.write.format("delta").mode("overwrite").options(**options).save(table_uri(contract.table))
    note_write(settings().lake_root)


def _mark(table: str, upto: datetime) -> dict[str, str]:
    """Options that commit the mark with the rows. Delta skips a commit whose mark is not a later one."""
    stored = high_water_mark(table)
    if stored > upto:  # its sources were set back
        empty_table(table)
        stored = EPOCH
    if stored == upto:
        return {}
    return {"txnAppId": HIGH_WATER_MARK, "txnVersion": str((upto - EPOCH) // timedelta(microseconds=1))}
