"""Every way to alter, drop or add a row behind the ledger's back is found, with the record that covers it and the row's name."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakehouse.ledger_rows import BOUND
from streaming_jobs.delta_sink import open_table, path_of
from tests.ledger_batches import BEGAN, ENTRIES, PRICES, LedgerLake, price
from tests.serving_api.integrity.conftest import BATCHES, found, index_of


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
def test_one_value_of_one_row_altered_in_its_parquet_file(lake: LedgerLake, column: str, value: object):
    altered: list[Any] = []

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        row = sorted(rows, key=lambda row: row["event_id"])[17]
        altered.append((row["event_id"], row["ingested_at"].second))
        return [one | {column: value} if one is row else one for one in rows]

    lake.edit_file(PRICES, change)
    event_id, batch = altered[0]
    found(lake, index_of(batch), "root", event_id)


def test_another_event_id_is_a_row_gone(lake: LedgerLake):
    lake.rewrite(PRICES, lambda rows: [r | {"event_id": "x"} if r["event_id"] == "p-0002-0005" else r for r in rows])
    found(lake, index_of(2), "root", "p-0002-0005")


@pytest.mark.parametrize("victim", [0, 41, 99])
def test_a_row_that_is_gone_is_named_by_bronze(lake: LedgerLake, victim: int):
    name = f"p-0003-{victim:04d}"
    lake.rewrite(PRICES, lambda rows: [row for row in rows if row["event_id"] != name])
    found(lake, index_of(3), "rows", name)


def test_a_row_that_is_gone_from_bronze_too_has_no_name(lake: LedgerLake):
    DeltaTable(path_of("bronze.events")).delete("event_id = 'p-0003-0041'")
    DeltaTable(path_of(PRICES)).delete("event_id = 'p-0003-0041'")
    found(lake, index_of(3), "rows", None)


@pytest.mark.parametrize("name", ["a-first", "p-0002-0050x", "z-last"])
def test_a_row_slipped_into_a_batch(lake: LedgerLake, name: str):
    lake.append(PRICES, [price(50, 2, event_id=name)])
    found(lake, index_of(2), "rows", name)


def test_a_row_doubled(lake: LedgerLake):
    lake.append(PRICES, [price(50, 2)])
    found(lake, index_of(2), "rows", "p-0002-0050")


def test_a_row_exchanged_for_another(lake: LedgerLake):
    """The count is right; both the stranger and the one that is gone differ: the first by name is told."""
    lake.rewrite(PRICES, lambda rows: [r | {"event_id": "zz"} if r["event_id"] == "p-0001-0099" else r for r in rows])
    found(lake, index_of(1), "root", "p-0001-0099")


@pytest.mark.parametrize("seconds", [-100, 2.5])
def test_rows_between_the_batches_are_strangers(lake: LedgerLake, seconds: float):
    lake.append(PRICES, [price(0, 2, event_id="stranger", ingested_at=BEGAN + timedelta(seconds=seconds))])
    found(lake, index_of(3 if seconds > 0 else 1), "rows", "stranger")


def test_a_row_without_a_batch_is_a_stranger(lake: LedgerLake):
    lake.append(PRICES, [price(0, 2, event_id="stranger", ingested_at=None)])
    found(lake, index_of(1), "rows", "stranger")


def test_rows_of_a_batch_that_is_not_on_record_yet_are_nobody_s_fault(lake: LedgerLake):
    lake.batch(BATCHES + 1, 10)
    assert lake.check().valid
    lake.job.refresh()
    assert lake.check().length == 13 and lake.check().valid


def test_an_entry_altered_gone_slipped_in(lake: LedgerLake):
    rows = open_table(ENTRIES).to_pyarrow_table().to_pylist()
    for change, index, reason, name in (
        (lambda r: [x | {"price_idr": 1.0} if x["event_id"] == "e-0002-1" else x for x in r], 4, "root", "e-0002-1"),
        (lambda r: [x for x in r if x["event_id"] != "e-0003-0"], 6, "rows", "e-0003-0"),
        (lambda r: [*r, r[0] | {"event_id": "e-new"}], None, "rows", "e-new"),
    ):
        lake.rewrite(ENTRIES, lambda held, change=change: change(rows))
        fault = lake.check().fault
        assert fault and (fault.reason, fault.event_id) == (reason, name)
        assert index is None or fault.index == index
        lake.rewrite(ENTRIES, lambda held: rows)
        assert lake.check().valid


def test_a_table_or_a_file_that_is_gone(lake: LedgerLake):
    files = sorted(open_table(PRICES).file_uris())
    Path(files[0]).unlink()
    fault = lake.check().fault
    assert fault and fault.reason == "unreadable" and fault.event_id is None


def test_whatever_byte_of_a_file_is_flipped_what_it_shows_is_not_altered_unseen(lake: LedgerLake):
    """A byte may lie in a column that no leaf covers; then nothing that was shown has changed."""
    file = Path(sorted(open_table(PRICES).file_uris())[0])
    whole = file.read_bytes()
    columns = list(next(bound for bound in BOUND if bound.table == PRICES).leaf_columns)
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
