"""Checks of history rules: rows and columns of evidence get the verdicts of DuckDB, nulls included."""

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.contracts.check_code import evidence_faults
from lakehouse.contracts.contract import Rule, kinds
from lakehouse.contracts.history_rules import with_knobs
from lakehouse.contracts.rule_functions import column_violation, row_violation
from lakehouse.contracts.sql_names import column_names, parse_sql
from lakehouse.verdicts.engine import query

ROWS = 400
TEXTS = {"policy": ("calibrated", "seed"), "cause": ("", "warmup", "carried")}
FLAGS = {
    *("carried", "confirmed", "decided_before", "id_conflict", "in_order", "multi_source_ok", "national_gap"),
    *("odd_before", "outside_band", "signature_valid", "source_differs", "source_mismatch", "stale"),
    "target_found",
}
NEAR = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 6.0, 7.0, 10.0, 60.0)


def stream_rules() -> dict[str, Rule]:
    knobs = settings().rule_values()
    return {
        rule.name: with_knobs(contract.table, [rule], knobs)[0]
        for contract in kinds().values()
        for rule in contract.rules
        if rule.reads == "stream"
    }


RULES = stream_rules()


def drawn(name: str, draw: random.Random) -> list[Any]:
    """Values of one column of evidence; a fourth of the numbers is null."""
    if name in TEXTS:
        return [draw.choice(TEXTS[name]) for _ in range(ROWS)]
    if name in FLAGS:
        return [draw.random() < 0.5 for _ in range(ROWS)]
    return [
        None if draw.random() < 0.25 else draw.choice((draw.choice(NEAR), draw.uniform(-3, 100)))
        for _ in range(ROWS)
    ]


def column(name: str, values: list[Any]) -> np.ndarray:
    return np.array(values) if name in {*TEXTS, *FLAGS} else np.array(values, dtype=np.float64)


@pytest.mark.parametrize("form", ["{}", "not ({})", "not (not ({}) and true)"])
@pytest.mark.parametrize("name", sorted(RULES))
def test_rows_and_columns_get_the_verdicts_of_duckdb(name: str, form: str):
    check = form.format(RULES[name].check)
    names = tuple(dict.fromkeys(column_names(parse_sql(check))))
    draw = random.Random(name)  # noqa: S311
    values = {name: drawn(name, draw) for name in names}
    is_violated = row_violation(check, names)
    of_rows = [is_violated(row) for row in zip(*values.values(), strict=True)]
    columns = {name: column(name, given) for name, given in values.items()}
    of_columns = column_violation(check, names)(columns, ROWS).tolist()
    sql = f"select not coalesce({check}, false) as violated from evidence"
    in_duckdb = query(sql, evidence=pa.table(values))["violated"].to_pylist()
    assert of_rows == in_duckdb
    assert of_columns == in_duckdb


@pytest.mark.parametrize(
    ("check", "part"),
    [
        ("sqrt(gap) < 1", "SQRT(gap)"),
        ("gap / steps < 1", "gap / steps"),
        ("case when gap > 1 then true end", "CASE WHEN gap > 1 THEN TRUE END"),
        ("-gap < 1", "-gap"),
        ("cast(gap as varchar) = '1'", "CAST(gap AS TEXT)"),
    ],
)
def test_a_check_beyond_the_subset_is_a_fault(check: str, part: str):
    rule = Rule(name="gap", severity="warn", reads="stream", check=check, message="x")
    (fault,) = evidence_faults(rule)
    assert fault.startswith("a check on evidence cannot use: ")
    assert part in fault
