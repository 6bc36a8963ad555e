"""Altered, missing, added and reordered records are found; a second check reads only new records."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from conf.settings import settings
from lakehouse.io import ledger_head, table_files
from lakehouse.io.delta import open_table, table_uri
from lakehouse.ledger.chain import ChainState, fault_of, record_hash
from scripts.commands.ledger import app
from serving_api.reads.ledger.integrity import Verifier
from streaming_jobs.gold.ledger import LedgerJob
from tests.serving_api.integrity.conftest import assert_fault, index_of
from tests.support.ledger_batches import BEGAN, LEDGER, PRICES, LedgerLake, price
from tests.support.plugins.examples import examples


def change_record(index: int, rehash: bool = False, **values: Any) -> Any:
    """A change for `LedgerLake.rewrite`: values of one record, with its hash computed again or not."""

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        changed = [row | values if row["index"] == index else row for row in rows]
        return [
            row | {"hash": record_hash(row)} if rehash and row["index"] == index else row for row in changed
        ]

    return change


def test_two_exchanged_records_are_found(lake: LedgerLake):
    places = {2: 5, 5: 2}
    lake.rewrite(
        LEDGER, lambda rows: [row | {"index": places.get(row["index"], row["index"])} for row in rows]
    )
    assert_fault(lake, 2, "hash", None)


def test_two_exchanged_and_rehashed_records_are_found(lake: LedgerLake):
    places = {2: 5, 5: 2}

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        changed = [row | {"index": places.get(row["index"], row["index"])} for row in rows]
        return [row | {"hash": record_hash(row)} if row["index"] in places else row for row in changed]

    lake.rewrite(LEDGER, change)
    fault = lake.check().fault
    assert fault and fault.reason == "link" and fault.index in (1, 2)


def test_order_of_records_in_a_file_does_not_matter(lake: LedgerLake):
    lake.rewrite(LEDGER, lambda rows: rows[::-1])
    assert lake.check().valid


@pytest.mark.parametrize(
    "values", [{"actor": "somebody"}, {"rule_set_fingerprint": None}, {"delta_version": 9}]
)
def test_altered_record_is_found(lake: LedgerLake, values: dict[str, Any]):
    lake.rewrite(LEDGER, change_record(4, **values))
    assert_fault(lake, 4, "hash", "e-0002-1")


def test_altered_and_rehashed_record_is_found_by_the_next_record(lake: LedgerLake):
    lake.rewrite(LEDGER, change_record(4, rehash=True, actor="somebody"))
    assert_fault(lake, 4, "link", "e-0002-1")


def test_altered_and_rehashed_last_record_is_found_by_the_published_head(lake: LedgerLake):
    lake.rewrite(LEDGER, change_record(11, rehash=True, actor="somebody"))
    assert_fault(lake, 11, "head", None)


def test_rewritten_chain_is_found_by_the_published_head(lake: LedgerLake):
    def rewritten(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        books = ChainState("price")
        return [
            books.append(row | {"actor": "somebody"}, row["timestamp"])
            for row in sorted(rows, key=lambda r: r["index"])
        ]

    lake.rewrite(LEDGER, rewritten)
    assert_fault(lake, 11, "head", None)


def test_altered_payload_of_a_rehashed_record_is_found(lake: LedgerLake):
    lake.rewrite(LEDGER, change_record(4, rehash=True, payload='{"event_id":"x"}'))
    assert_fault(lake, 4, "payload", "e-0002-1")


def test_altered_root_or_count_of_a_rehashed_record_is_found(lake: LedgerLake):
    for values, reason in (({"merkle_root": "0" * 64}, "root"), ({"rows": 99}, "rows")):
        before, head = open_table(LEDGER).to_pyarrow_table().to_pylist(), ledger_head.head_file().read_bytes()
        lake.rewrite(LEDGER, change_record(11, rehash=True, **values))
        fault = lake.check().fault
        assert fault and (fault.index, fault.reason) == (11, "head"), "the published head differs"
        ledger_head.head_file().unlink()
        fault = lake.check().fault
        assert fault and (fault.index, fault.reason) == (11, reason), "without it, the rows differ"
        lake.rewrite(LEDGER, lambda held, before=before: before)
        ledger_head.head_file().write_bytes(head)
        assert lake.check().valid


@pytest.mark.parametrize(
    ("missing", "index", "reason"), [(0, 0, "gap"), (6, 6, "gap"), (11, 11, "truncated")]
)
def test_missing_record_is_found(lake: LedgerLake, missing: int, index: int, reason: str):
    lake.rewrite(LEDGER, lambda rows: [row for row in rows if row["index"] != missing])
    fault = lake.check().fault
    assert fault and (fault.index, fault.reason) == (index, reason)


@pytest.mark.parametrize("left", [0, 1, 7, 11])
def test_truncated_chain_is_found(lake: LedgerLake, left: int):
    lake.rewrite(LEDGER, lambda rows: [row for row in rows if row["index"] < left])
    assert_fault(lake, left, "truncated", None)
    assert lake.check().length == left


def test_restored_older_version_is_found(lake: LedgerLake):
    lake.batch(5)
    lake.job.refresh()
    open_table(LEDGER).restore(1)
    assert_fault(lake, 12, "truncated", None)


def test_inserted_and_duplicated_records_are_found(lake: LedgerLake):
    rows = open_table(LEDGER).to_pyarrow_table().to_pylist()
    for extra in (rows[5], rows[5] | {"actor": "somebody"}, rows[5] | {"index": None}):
        lake.rewrite(LEDGER, lambda held, extra=extra: [*rows, extra])
        fault = lake.check().fault
        assert fault and fault.index in (rows[5]["index"], 12)


@pytest.mark.parametrize("left", [7, 12])
def test_records_without_a_published_head_are_not_valid(lake: LedgerLake, left: int):
    """Who deletes both the end and the head file is noticed; `ledger accept` is the way back."""
    lake.rewrite(LEDGER, lambda rows: [row for row in rows if row["index"] < left])
    ledger_head.head_file().unlink()
    fault = lake.check().fault
    assert fault and (fault.index, fault.reason) == (left, "head")
    lake.batch(5)
    LedgerJob().refresh()
    assert len(lake.records()) == left, "the job neither appends nor publishes a head"
    assert CliRunner().invoke(app, ["verify", "--chain", "price"]).exit_code == 1
    assert CliRunner().invoke(app, ["accept"]).exit_code == 0
    fault = lake.check().fault
    assert fault is None or fault.reason == "rows", "what was cut stays missing"
    LedgerJob().refresh()
    assert len(lake.records()) > left


def test_chain_that_crashed_before_its_first_head_is_published_is_taken_up(lake: LedgerLake):
    """A head of another chain is older than its first record."""
    other = {"time": "2020-01-01T00:00:00+00:00", "heads": {}}
    ledger_head.head_file().write_text(json.dumps(other) + "\n")
    assert lake.check().valid, "the records are newer than the newest publication"
    LedgerJob().refresh()
    assert ledger_head.published()["price"][0] == 11 and lake.check().valid


def test_ledger_whose_newest_commits_are_gone_is_found_by_the_notes_of_its_files(lake: LedgerLake):
    lake.batch(5)
    lake.job.refresh()
    table_files.Notebook().update()
    log = settings().home / "lake" / "gold" / "ledger" / "_delta_log"
    assert lake.check().valid
    sorted(log.glob("*.json"))[-1].unlink()
    lines = ledger_head.head_file().read_text().splitlines()
    ledger_head.head_file().write_text("\n".join(lines[:-1]) + "\n")
    fault = lake.check().fault
    assert fault and (fault.index, fault.reason) == (12, "files") and "newest commits" in fault.detail


def test_unreadable_published_head_is_a_fault(lake: LedgerLake):
    ledger_head.head_file().write_text("nothing\n")
    fault = lake.check().fault
    assert fault and fault.reason == "head"


def flipped(value: Any, place: int) -> Any:
    """The value with one byte (or bit) changed, or None instead of a value."""
    if isinstance(value, str):
        at = place % len(value) if value else 0
        return value[:at] + chr(ord(value[at]) ^ (1 << place % 4)) + value[at + 1 :] if value else "x"
    if isinstance(value, bytes):
        at = place % len(value)
        return value[:at] + bytes([value[at] ^ (1 << place % 8)]) + value[at + 1 :]
    if isinstance(value, int):
        return value ^ (1 << place % 40)
    return None if value is not None and place % 2 else (value or BEGAN) + timedelta(microseconds=1 + place)


@examples(300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 11), column=st.integers(0, 15), place=st.integers(0, 10_000))
def test_any_flipped_byte_of_any_record_is_found(lake: LedgerLake, at: int, column: int, place: int):
    """Found by the links alone, whichever field it is in. `chain` is a partition, not stored in the file."""
    records = lake.__dict__.setdefault("kept", lake.records())
    names = [name for name in records[0] if name != "chain"]
    name = names[column]
    value = records[at][name]
    if value is None and name not in ("batch_time",):
        value = ""
    changed = [*records[:at], records[at] | {name: flipped(value, place)}, *records[at + 1 :]]
    books = ChainState("price")
    for record in changed:
        fault = fault_of(record, books)
        if fault:
            assert fault.index <= at
            return
        books.advance(record)
    raise AssertionError(f"{name} of record {at} was changed and not found")


def test_second_check_reads_new_records_only_and_still_finds_old_changes(
    lake: LedgerLake, monkeypatch: pytest.MonkeyPatch
):
    verifier = Verifier(settings().lake_root)
    assert verifier.check("price").valid
    read: list[int] = []
    whole = ChainState.advance
    monkeypatch.setattr(
        ChainState, "advance", lambda self, record: (read.append(record["index"]), whole(self, record))[1]
    )
    assert verifier.check("price").valid and read == []
    lake.batch(5, 20)
    lake.job.refresh()
    read.clear()
    assert verifier.check("price").length == 13 and read == [12], "only the new record"
    batch: list[int] = []

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        batch.append(rows[0]["ingested_at"].second)
        return [row | {"price_idr": 1.0} for row in rows]

    file = lake.edit_file(PRICES, change)
    os.utime(file, (0, 0))
    fault = verifier.check("price").fault
    assert fault and (fault.index, fault.reason) == (12 if batch == [5] else index_of(batch[0]), "root")


def test_second_check_accepts_compaction_and_finds_an_inserted_row(lake: LedgerLake):
    verifier = Verifier(settings().lake_root)
    assert verifier.check("price").valid
    open_table(PRICES).optimize.compact()
    assert verifier.check("price").valid
    lake.append(PRICES, [price(0, 1, event_id="inserted")])
    fault = verifier.check("price").fault
    assert fault and (fault.index, fault.reason, fault.event_id) == (index_of(1), "rows", "inserted")
    DeltaTable(table_uri(PRICES)).delete("event_id = 'inserted'")
    assert verifier.check("price").valid


def test_empty_chain_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for create in (False, True):
        monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
        settings.cache_clear()
        if create:
            LedgerLake().job.refresh()
        verdict = Verifier(settings().lake_root).check("price")
        assert (verdict.valid, verdict.length, verdict.head_hash) == (True, 0, None)
    settings.cache_clear()
