"""Small files of tables are merged, by this process or by Spark: the rows stay, and marks and columns too."""

from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from conf.runtime.exit_codes import ExitCode
from lakehouse.io.delta import BatchTag, open_table, table_uri
from lakehouse.io.delta_files import append_batch
from streaming_jobs.repair import compact
from streaming_jobs.spark import jobs
from streaming_jobs.startup import checks
from tests.streaming_jobs.conftest import NOW
from tests.support.empty_lake import copy_empty_tables

TABLE = "gold.balance"


@pytest.fixture
def small_files(home: Path) -> None:
    copy_empty_tables()
    for number in range(5):
        row = {"stream_id": "s", "batch_id": number, "kind": "price", "ingested_at": NOW}
        counts = dict.fromkeys(("rows_in", "silver", "quarantine", "duplicates"), 1)
        append_batch(TABLE, [row | counts], BatchTag("s", number))


@pytest.mark.usefixtures("small_files")
def test_by_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    compact.main(TABLE)
    assert capsys.readouterr().out == f"{TABLE}: 5 files merged into 1\n"
    assert len(open_table(TABLE).file_uris()) == 1 and open_table(TABLE).count() == 5
    compact.main(TABLE)
    assert capsys.readouterr().out == f"{TABLE}: 0 files merged into 0\n"


@pytest.mark.usefixtures("small_files")
def test_by_spark(spark: SparkSession) -> None:
    before = spark.read.format("delta").option("versionAsOf", 5).load(table_uri(TABLE))
    number = open_table(TABLE).transaction_version(BatchTag("s", 4).application)
    assert jobs.compact(spark, TABLE) == (5, 1)
    after = spark.read.format("delta").load(table_uri(TABLE))
    assert_df_equality(after, before, ignore_row_order=True)
    assert open_table(TABLE).transaction_version(BatchTag("s", 4).application) == number == 4
    append_batch(TABLE, after.toArrow(), BatchTag("s", 5))
    assert open_table(TABLE).count() == 10


@pytest.mark.usefixtures("small_files")
def test_while_a_stream_runs_or_without_such_a_table_it_is_refused() -> None:
    with pytest.raises(compact.typer.Exit) as unknown:
        compact.main("gold.nothing")
    with checks.lock(), pytest.raises(compact.typer.Exit) as refused:
        compact.main(TABLE)
    assert (unknown.value.exit_code, refused.value.exit_code) == (ExitCode.USAGE, ExitCode.REFUSED)
