"""Rows for the validators that judge in order of arrival, and functions that judge them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.contracts.history_rules import history_rules
from lakehouse.validation import Judgement, Validator
from lakehouse.validation.in_order import Remembering
from lakehouse.validation.registry import VALIDATORS

START = datetime(2026, 3, 1, tzinfo=UTC)
WHEN = pa.timestamp("us", "UTC")
READINGS = pa.list_(pa.struct([("metric", pa.string()), ("value", pa.float64())]))
TYPES = {"event_time": WHEN, "bar_time": WHEN, "received_at": WHEN, "ingested_at": WHEN, "readings": READINGS}
TYPES |= dict.fromkeys(("value", "close", "quantity_kg", "rating"), pa.float64())
TYPES["final"] = pa.bool_()
TYPES |= dict.fromkeys(("partition", "offset", "product_id", "num_reviews"), pa.int64())

Verdict = tuple[dict[str, bool], dict[str, Any] | None]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def validator(kind: str) -> Remembering:
    built = VALIDATORS[kind]({})
    assert isinstance(built, Remembering)
    return built


def errors_of(kind: str) -> set[str]:
    """The history rules that keep a row out of silver."""
    return {rule.name for rule in history_rules(kind, {}) if rule.severity == "error"}


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pa.Table:
    """Rows as the stream passes them; the place in Kafka is the row number unless the row has one."""
    whole = [{"ingested_at": START, "partition": 0, "offset": nth, **row} for nth, row in enumerate(rows)]
    return pa.table(
        {name: pa.array([row.get(name) for row in whole], TYPES.get(name, pa.string())) for name in columns}
    )


def stream_columns(kind: str) -> list[str]:
    """Columns of the rows to judge: one row holds several readings."""
    columns = [name for name in VALIDATORS[kind]({}).columns if name not in ("metric", "value")]
    return [*columns, "readings"] if kind == "sensor" else columns


def judged(kind: str, rows: Sequence[dict[str, Any]], by: Validator | None = None) -> list[Verdict]:
    """(violated rules, evidence) per row. A row may set `passed` (true) and `released` (false)."""
    judgement = judgement_of(kind, rows, by or validator(kind))
    return [
        (
            {rule: bool(flags[nth]) for rule, flags in judgement.violated.items() if flags[nth]},
            judgement.evidence(nth),
        )
        for nth in range(len(rows))
    ]


def judgement_of(kind: str, rows: Sequence[dict[str, Any]], by: Validator) -> Judgement:
    passed = np.array([row.get("passed", True) for row in rows], dtype=np.bool_)
    released = np.array([row.get("released", False) for row in rows], dtype=np.bool_)
    return by.judge(table(rows, stream_columns(kind)), passed, released)


def landed(kind: str, rows: Sequence[dict[str, Any]], verdicts: Sequence[Verdict]) -> pa.Table:
    """Rows of silver, newest first: those that passed and violate no error rule, or were released."""
    errors = errors_of(kind)
    kept = [
        row
        for row, (violated, _) in zip(rows, verdicts, strict=True)
        if row.get("passed", True) and (row.get("released", False) or not errors & violated.keys())
    ]
    if kind == "sensor":
        kept = [
            {**row, "metric": reading["metric"], "value": reading["value"]}
            for row in kept
            for reading in row["readings"]
        ]
    return table(kept[::-1], VALIDATORS[kind]({}).columns)


def numbered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their place in Kafka."""
    return [{"ingested_at": START, "partition": 0, "offset": nth, **row} for nth, row in enumerate(rows)]


def names(verdicts: Sequence[Verdict]) -> list[set[str]]:
    return [set(violated) for violated, _ in verdicts]
