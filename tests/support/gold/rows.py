"""Rows of gold against what they are expected to be, by key and column."""

from collections.abc import Sequence
from typing import Any

import pytest

from lakehouse.contracts.contract import Contract
from lakehouse.io.delta import open_table

Row = dict[str, Any]


def rows_of(table: str) -> list[Row]:
    return open_table(table).to_pyarrow_table().to_pylist()


def by_key(contract: Contract, rows: list[Row]) -> dict[tuple, Row]:
    keyed = {tuple(row[name] for name in contract.key): row for row in rows}
    assert len(keyed) == len(rows), f"{contract.table}: {len(rows) - len(keyed)} keys twice"
    return keyed


def differences(
    contract: Contract, written: list[Row], wanted: list[Row], compared: Sequence[str] = ()
) -> list[str]:
    """Keys on one side only, and columns that disagree (numbers within 1e-9 of each other)."""
    gold = by_key(contract, written)
    recomputed = by_key(contract, wanted)
    different = [
        f"{key} is not in {side}"
        for side, a, b in (("gold", gold, recomputed), ("silver", recomputed, gold))
        for key in b
        if key not in a
    ]
    for key in gold.keys() & recomputed.keys():
        for name in compared or contract.column_names:
            if not alike(gold[key][name], recomputed[key][name]):
                different.append(f"{key} {name}: {gold[key][name]!r}, recomputed {recomputed[key][name]!r}")
    return different


def alike(value: Any, other: Any) -> bool:
    if isinstance(value, float) and isinstance(other, (int, float)):
        return value == pytest.approx(other, rel=1e-9, abs=1e-7)  # abs: percents that are zero
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(alike, value, other))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(alike(value[name], other[name]) for name in value)
    return value == other
