"""Spark resolves every rule against its kind's transform, and the transform returns the declared columns."""

from functools import cache

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from lakehouse.contracts.rule_messages import message_sql
from lakehouse.silver.payload import parse
from lakehouse.silver.verdicts import READINGS, as_text, row_columns, rules_of, transform_of
from lakehouse.validation.registry import VALIDATORS
from tests.lakehouse.conftest import bronze


@cache
def transformed(spark: SparkSession, kind: str) -> DataFrame:
    """No rows, all columns."""
    events = spark.createDataFrame(bronze(kind, []))
    return transform_of(kind).transform(parse(as_text(events), kinds()[kind]))


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_rule_and_its_message_resolve(spark: SparkSession, kind: str):
    frame = transformed(spark, kind)
    rules = [rule for rule in rules_of(kind, settings().validation.model_dump()) if rule.reads != "stream"]
    checks = frame.select(*(F.expr(rule.check).alias(rule.name) for rule in rules)).schema
    assert [field.name for field in checks if field.dataType != BooleanType()] == []
    frame.select(*(F.expr(message_sql(rule.message)) for rule in rules))  # raises when a name is missing


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_transform_returns_declared_columns_types_and_offers(spark: SparkSession, kind: str):
    frame, contract = transformed(spark, kind), kinds()[kind]
    types = {field.name: field.dataType.simpleString() for field in frame.schema}
    assert set(contract.offers) <= set(types)
    added_later = {"_warnings", "rule_set", READINGS}
    wrong = {
        column.name: (types.get(column.name), column.type)
        for column in contract.columns
        if column.name in row_columns(contract)
        and column.name not in added_later
        and types.get(column.name) != column.type
    }
    assert not wrong


@pytest.mark.parametrize("kind", sorted(VALIDATORS))
def test_columns_of_a_validator_are_in_the_silver_table(kind: str):
    """A missing column would stop the stream at its first batch."""
    assert set(VALIDATORS[kind](settings().validation.model_dump()).columns) <= set(
        kinds()[kind].column_names
    )
