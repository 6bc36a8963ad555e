"""Every rule resolved by real Spark against what its kind's transform gives, and the transform against its contract."""

from functools import cache

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType

from conf.settings import settings
from lakehouse.contract import kinds
from lakehouse.quality import message_sql
from lakehouse.silver.payload import parse
from lakehouse.silver.verdicts import KEPT, READINGS, row_columns, rules_of, transform_of
from lakehouse.validation.registry import VALIDATORS
from tests.lakehouse.conftest import bronze


@cache
def transformed(spark: SparkSession, kind: str) -> DataFrame:
    """No rows, all columns."""
    events = spark.createDataFrame(bronze(kind, []))
    narrow = events.select(*KEPT, "kind", F.col("value").cast("string").alias("text"))
    return transform_of(kind).transform(parse(narrow, kinds()[kind]))


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_rule_and_its_message_resolve(spark: SparkSession, kind: str):
    frame = transformed(spark, kind)
    rules = [rule for rule in rules_of(kind, settings().validation.model_dump()) if rule.reads != "stream"]
    checks = frame.select(*(F.expr(rule.check).alias(rule.name) for rule in rules)).schema
    assert [field.name for field in checks if field.dataType != BooleanType()] == []
    frame.select(*(F.expr(message_sql(rule)) for rule in rules))  # raises where a name is not there


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_the_transform_gives_the_columns_in_their_types_and_what_it_offers(spark: SparkSession, kind: str):
    frame, contract = transformed(spark, kind), kinds()[kind]
    types = {field.name: field.dataType.simpleString() for field in frame.schema}
    assert set(contract.offers) <= set(types)
    made = {"_warnings", "rule_set", READINGS}
    wrong = {
        column.name: (types.get(column.name), column.type)
        for column in contract.columns
        if column.name in row_columns(contract) and column.name not in made and types.get(column.name) != column.type
    }
    assert not wrong


@pytest.mark.parametrize("kind", sorted(VALIDATORS))
def test_what_a_validator_remembers_is_in_the_silver_table(kind: str):
    """A column that is not there would end the stream at its first batch."""
    assert set(VALIDATORS[kind](settings().validation.model_dump()).columns) <= set(kinds()[kind].column_names)
