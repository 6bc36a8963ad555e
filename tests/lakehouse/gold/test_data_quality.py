"""Counts per rule, with the zeros that are stored in one row."""

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.gold.data_quality import counts_by_rule

SCHEMA = arrow_schema(contracts()["gold.data_quality"])
STORED = [
    {"batch_id": 1, "evaluated": 7, "violated": 2, "rule": "a", "severity": "error"},
    {
        "batch_id": 1,
        "evaluated": 7,
        "violated": 0,
        "unviolated": [{"rule": "b", "severity": "warn"}, {"rule": "c", "severity": "error"}],
    },
    {"batch_id": 2, "evaluated": 0, "violated": 0, "unviolated": [{"rule": "a", "severity": "error"}]},
]
EXPECTED = {
    (1, "a", "error", 7, 2),
    (1, "b", "warn", 7, 0),
    (1, "c", "error", 7, 0),
    (2, "a", "error", 0, 0),
}
COLUMNS = ("batch_id", "rule", "severity", "evaluated", "violated")


def counts(stored: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in COLUMNS) for row in counts_by_rule(stored).to_pylist()]


def test_each_rule_gets_a_row_also_from_parts_of_a_table():
    whole = pa.Table.from_pylist(STORED, schema=SCHEMA)
    assert set(counts(whole)) == EXPECTED and len(counts(whole)) == len(EXPECTED)
    in_parts = pa.concat_tables([whole.slice(2, 1), whole.slice(0, 2)])
    assert set(counts(in_parts)) == EXPECTED and len(counts(in_parts)) == len(EXPECTED)
    assert "unviolated" not in counts_by_rule(whole).column_names


def test_rows_of_one_rule_and_no_rows_stay_as_they_are():
    whole = pa.Table.from_pylist(STORED[:1], schema=SCHEMA)
    assert counts(whole) == [(1, "a", "error", 7, 2)]
    assert counts(SCHEMA.empty_table()) == []
