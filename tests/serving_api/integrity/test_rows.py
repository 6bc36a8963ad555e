"""Altered, missing and added rows are found, with the record that covers them and their event id."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakehouse.io.delta import open_table, table_uri
from lakehouse.ledger.leaves import BOUND_TABLES
from tests.serving_api.integrity.conftest import BATCHES, assert_fault, index_of
from tests.support.ledger_batches import BEGAN, ENTRIES, PRICES, LedgerLake, price


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("price_idr", 11_000.4),
        ("market_id", "PASAR-002"),
        ("commodity", "gula-konsumsi"),
        ("channel", "wholesale"),
        ("unit", "liter"),
        ("event_time", BEGAN),
        ("market_date", (BEGAN - timedelta(days=1)).date()),
        ("topic", "lumbung.sensor"),
        ("partition", 1),
        ("offset", 7),
        ("price_idr", None),
        ("price_idr", float("nan")),
    ],
)
def test_altered_value_in_a_parquet_file_is_found(lake: LedgerLake, column: str, value: object):
    altered: list[Any] = []

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        row = sorted(rows, key=lambda row: row["event_id"])[17]
        altered.append((row["event_id"], row["ingested_at"].second))
        return [other | {column: value} if other is row else other for other in rows]

    lake.edit_file(PRICES, change)
    event_id, batch = altered[0]
    assert_fault(lake, index_of(batch), "root", event_id)


def test_changed_event_id_is_found_as_a_missing_row(lake: LedgerLake):
    lake.rewrite(
        PRICES, lambda rows: [r | {"event_id": "x"} if r["event_id"] == "p-0002-0005" else r for r in rows]
    )
    assert_fault(lake, index_of(2), "root", "p-0002-0005")


@pytest.mark.parametrize("victim", [0, 41, 99])
def test_missing_row_is_identified_from_bronze(lake: LedgerLake, victim: int):
    name = f"p-0003-{victim:04d}"
    lake.rewrite(PRICES, lambda rows: [row for row in rows if row["event_id"] != name])
    assert_fault(lake, index_of(3), "rows", name)


def test_row_missing_from_bronze_too_is_found_without_its_id(lake: LedgerLake):
    DeltaTable(table_uri("bronze.events")).delete("event_id = 'p-0003-0041'")
    DeltaTable(table_uri(PRICES)).delete("event_id = 'p-0003-0041'")
    assert_fault(lake, index_of(3), "rows", None)


@pytest.mark.parametrize("name", ["a-first", "p-0002-0050x", "z-last"])
def test_row_inserted_into_a_batch_is_found(lake: LedgerLake, name: str):
    lake.append(PRICES, [price(50, 2, event_id=name)])
    assert_fault(lake, index_of(2), "rows", name)


def test_duplicated_row_is_found(lake: LedgerLake):
    lake.append(PRICES, [price(50, 2)])
    assert_fault(lake, index_of(2), "rows", "p-0002-0050")


def test_replaced_row_is_found(lake: LedgerLake):
    """The count is right; the inserted and the missing row differ, and the first by event id is reported."""
    lake.rewrite(
        PRICES, lambda rows: [r | {"event_id": "zz"} if r["event_id"] == "p-0001-0099" else r for r in rows]
    )
    assert_fault(lake, index_of(1), "root", "p-0001-0099")


@pytest.mark.parametrize("seconds", [-100, 2.5])
def test_row_between_batches_is_found(lake: LedgerLake, seconds: float):
    lake.append(PRICES, [price(0, 2, event_id="inserted", ingested_at=BEGAN + timedelta(seconds=seconds))])
    assert_fault(lake, index_of(3 if seconds > 0 else 1), "rows", "inserted")


def test_row_without_a_batch_is_found(lake: LedgerLake):
    lake.append(PRICES, [price(0, 2, event_id="inserted", ingested_at=None)])
    assert_fault(lake, index_of(1), "rows", "inserted")


def test_rows_of_an_unrecorded_batch_are_no_fault(lake: LedgerLake):
    lake.batch(BATCHES + 1, 10)
    assert lake.check().valid
    lake.job.refresh()
    assert lake.check().length == 13 and lake.check().valid


def test_altered_missing_and_inserted_entries_are_found(lake: LedgerLake):
    rows = open_table(ENTRIES).to_pyarrow_table().to_pylist()
    for change, index, reason, name in (
        (
            lambda r: [x | {"price_idr": 1.0} if x["event_id"] == "e-0002-1" else x for x in r],
            4,
            "root",
            "e-0002-1",
        ),
        (lambda r: [x for x in r if x["event_id"] != "e-0003-0"], 6, "rows", "e-0003-0"),
        (lambda r: [*r, r[0] | {"event_id": "e-new"}], None, "rows", "e-new"),
    ):
        lake.rewrite(ENTRIES, lambda held, change=change: change(rows))
        fault = lake.check().fault
        assert fault and (fault.reason, fault.event_id) == (reason, name)
        assert index is None or fault.index == index
        lake.rewrite(ENTRIES, lambda held: rows)
        assert lake.check().valid


def test_missing_file_is_found(lake: LedgerLake):
    files = sorted(open_table(PRICES).file_uris())
    Path(files[0]).unlink()
    fault = lake.check().fault
    assert fault and fault.reason == "unreadable" and fault.event_id is None


def test_any_flipped_byte_of_a_file_that_changes_covered_values_is_found(lake: LedgerLake):
    """A byte may belong to a column that no leaf covers; then no covered value has changed."""
    file = Path(sorted(open_table(PRICES).file_uris())[0])
    whole = file.read_bytes()
    columns = list(next(bound for bound in BOUND_TABLES if bound.table == PRICES).leaf_columns)
    shown, seen = pq.read_table(file, columns=columns), set()
    for at in range(5, len(whole), len(whole) // 60):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            same = pq.read_table(file, columns=columns).equals(shown)
        except (OSError, pa.ArrowException, UnicodeDecodeError):
            same = False
        fault = lake.check().fault
        assert same or fault, f"byte {at} was flipped and not found"
        seen.add(fault.reason if fault else None)
    assert seen >= {"unreadable", "root"}
