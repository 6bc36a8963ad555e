"""Row rules are written in SQL that DuckDB and Spark share: as they stand, both give the same verdicts."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from lakehouse.verdicts.engine import query
from lakehouse.verdicts.rows import read_rows, rules_of, transformed_sql
from tests.lakehouse.mutated_events import mutated_events

EVENTS = 300
# No rule reads them.
LEFT_OUT = {"other_headers", "payload"}


def rows_of(kind: str) -> pa.Table:
    """What the rules of the kind read.

    Texts that end with a line break are left out: there `$` matches in Java, but not in DuckDB.
    """
    events = mutated_events(kind, EVENTS, seed=30)
    ends_in_break = pc.match_substring(events["value"], b'\\n"')
    rows = read_rows(events.filter(pc.invert(ends_in_break)), kinds()[kind])
    transformed = query(f"select * from ({transformed_sql(kind)})", rows=rows)
    return transformed.select([name for name in transformed.column_names if name not in LEFT_OUT])


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_row_rules_give_the_same_verdicts_in_spark(kind: str, spark: SparkSession):
    rows = rows_of(kind)
    rules = [rule for rule in rules_of(kind, settings().rule_values()) if rule.reads != "stream"]
    checks = [f"coalesce({rule.check}, false) as {rule.name}" for rule in rules]
    in_duckdb = query(f"select {', '.join(checks)} from rows", rows=rows)
    in_spark = spark.createDataFrame(rows).selectExpr(*checks).toArrow()
    assert rows.num_rows > EVENTS * 0.9
    different = [
        rule.name for rule in rules if in_duckdb[rule.name].to_pylist() != in_spark[rule.name].to_pylist()
    ]
    assert not different
