"""Every way to alter, drop, add or reorder records of the chain is found, and a second check reads only what is new."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from conf import ledger_head
from conf.settings import settings
from lakehouse.ledger import Books, fault_of, record_hash
from serving_api.integrity import Verifier
from streaming_jobs.delta_sink import open_table, path_of
from tests.ledger_batches import BEGAN, LEDGER, PRICES, LedgerLake, price
from tests.serving_api.integrity.conftest import found, index_of


def change_record(index: int, again: bool = False, **values: Any) -> Any:
    """A change of `LedgerLake.rewrite`: one record's values, its hash made anew or left."""

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made = [row | values if row["index"] == index else row for row in rows]
        return [row | {"hash": record_hash(row)} if again and row["index"] == index else row for row in made]

    return change


def test_two_records_exchanged(lake: LedgerLake):
    places = {2: 5, 5: 2}
    lake.rewrite(LEDGER, lambda rows: [row | {"index": places.get(row["index"], row["index"])} for row in rows])
    found(lake, 2, "hash", None)


def test_two_records_exchanged_and_hashed_again(lake: LedgerLake):
    places = {2: 5, 5: 2}

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made = [row | {"index": places.get(row["index"], row["index"])} for row in rows]
        return [row | {"hash": record_hash(row)} if row["index"] in places else row for row in made]

    lake.rewrite(LEDGER, change)
    fault = lake.check().fault
    assert fault and fault.reason == "link" and fault.index in (1, 2)


def test_where_a_record_lies_in_its_file_does_not_matter(lake: LedgerLake):
    lake.rewrite(LEDGER, lambda rows: rows[::-1])
    assert lake.check().valid


@pytest.mark.parametrize("values", [{"actor": "somebody"}, {"rule_set_fingerprint": None}, {"delta_version": 9}])
def test_a_record_altered(lake: LedgerLake, values: dict[str, Any]):
    lake.rewrite(LEDGER, change_record(4, **values))
    found(lake, 4, "hash", "e-0002-1")


def test_a_record_altered_and_hashed_again_is_given_away_by_the_next(lake: LedgerLake):
    lake.rewrite(LEDGER, change_record(4, again=True, actor="somebody"))
    found(lake, 4, "link", "e-0002-1")


def test_the_last_record_hashed_again_is_given_away_by_the_published_head(lake: LedgerLake):
    lake.rewrite(LEDGER, change_record(11, again=True, actor="somebody"))
    found(lake, 11, "head", None)


def test_the_whole_chain_made_anew_is_given_away_by_the_published_head(lake: LedgerLake):
    def anew(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        books = Books("price")
        return [books.append(row | {"actor": "somebody"}, row["timestamp"]) for row in sorted(rows, key=lambda r: r["index"])]

    lake.rewrite(LEDGER, anew)
    found(lake, 11, "head", None)


def test_a_payload_changed_together_with_its_record(lake: LedgerLake):
    lake.rewrite(LEDGER, change_record(4, again=True, payload='{"event_id":"x"}'))
    found(lake, 4, "payload", "e-0002-1")


def test_a_root_or_a_count_changed_together_with_its_record(lake: LedgerLake):
    for values, reason in (({"merkle_root": "0" * 64}, "root"), ({"rows": 99}, "rows")):
        before, head = open_table(LEDGER).to_pyarrow_table().to_pylist(), ledger_head.head_file().read_bytes()
        lake.rewrite(LEDGER, change_record(11, again=True, **values))
        fault = lake.check().fault
        assert fault and (fault.index, fault.reason) == (11, "head"), "the head was published"
        ledger_head.head_file().unlink()
        fault = lake.check().fault
        assert fault and (fault.index, fault.reason) == (11, reason), "and without it the rows give it away"
        lake.rewrite(LEDGER, lambda held, before=before: before)
        ledger_head.head_file().write_bytes(head)
        assert lake.check().valid


@pytest.mark.parametrize(("gone", "index", "reason"), [(0, 0, "gap"), (6, 6, "gap"), (11, 11, "truncated")])
def test_a_record_gone(lake: LedgerLake, gone: int, index: int, reason: str):
    lake.rewrite(LEDGER, lambda rows: [row for row in rows if row["index"] != gone])
    fault = lake.check().fault
    assert fault and (fault.index, fault.reason) == (index, reason)


@pytest.mark.parametrize("left", [0, 1, 7, 11])
def test_the_tail_cut(lake: LedgerLake, left: int):
    lake.rewrite(LEDGER, lambda rows: [row for row in rows if row["index"] < left])
    found(lake, left, "truncated", None)
    assert lake.check().length == left


def test_the_table_set_back_to_an_older_version(lake: LedgerLake):
    lake.batch(5)
    lake.job.refresh()
    open_table(LEDGER).restore(1)
    found(lake, 12, "truncated", None)


def test_a_record_slipped_in_and_a_record_doubled(lake: LedgerLake):
    rows = open_table(LEDGER).to_pyarrow_table().to_pylist()
    for extra in (rows[5], rows[5] | {"actor": "somebody"}, rows[5] | {"index": None}):
        lake.rewrite(LEDGER, lambda held, extra=extra: [*rows, extra])
        fault = lake.check().fault
        assert fault and fault.index in (rows[5]["index"], 12)


def test_a_published_head_that_nobody_can_read(lake: LedgerLake):
    ledger_head.head_file().write_text("nothing\n")
    fault = lake.check().fault
    assert fault and fault.reason == "head"


def flipped(value: Any, place: int) -> Any:
    """The value with one byte (or bit) changed; None for a value that was there."""
    if isinstance(value, str):
        at = place % len(value) if value else 0
        return value[:at] + chr(ord(value[at]) ^ (1 << place % 4)) + value[at + 1 :] if value else "x"
    if isinstance(value, bytes):
        at = place % len(value)
        return value[:at] + bytes([value[at] ^ (1 << place % 8)]) + value[at + 1 :]
    if isinstance(value, int):
        return value ^ (1 << place % 40)
    return None if value is not None and place % 2 else (value or BEGAN) + timedelta(microseconds=1 + place)


@examples(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 11), column=st.integers(0, 15), place=st.integers(0, 10_000))
def test_any_byte_of_any_record_flipped(lake: LedgerLake, at: int, column: int, place: int):
    """Links alone find it, whichever field it is in; `chain` is the folder that the record lies in."""
    records = lake.__dict__.setdefault("kept", lake.records())
    names = [name for name in records[0] if name != "chain"]
    name = names[column]
    value = records[at][name]
    if value is None and name not in ("batch_time",):
        value = ""
    changed = [*records[:at], records[at] | {name: flipped(value, place)}, *records[at + 1 :]]
    books = Books("price")
    for record in changed:
        fault = fault_of(record, books)
        if fault:
            assert fault.index <= at
            return
        books.take(record)
    raise AssertionError(f"{name} of record {at} was changed and not found")


def test_going_on_reads_what_is_new_and_still_finds_what_is_old(lake: LedgerLake, monkeypatch: pytest.MonkeyPatch):
    verifier = Verifier(settings().lake_root)
    assert verifier.check("price").valid
    read: list[int] = []
    whole = Books.take
    monkeypatch.setattr(Books, "take", lambda self, record: (read.append(record["index"]), whole(self, record))[1])
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


def test_going_on_after_files_were_merged_and_after_a_row_was_slipped_in(lake: LedgerLake):
    verifier = Verifier(settings().lake_root)
    assert verifier.check("price").valid
    open_table(PRICES).optimize.compact()
    assert verifier.check("price").valid
    lake.append(PRICES, [price(0, 1, event_id="stranger")])
    fault = verifier.check("price").fault
    assert fault and (fault.index, fault.reason, fault.event_id) == (index_of(1), "rows", "stranger")
    DeltaTable(path_of(PRICES)).delete("event_id = 'stranger'")
    assert verifier.check("price").valid


def test_nothing_on_record_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for made in (False, True):
        monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
        settings.cache_clear()
        if made:
            LedgerLake().job.refresh()
        verdict = Verifier(settings().lake_root).check("price")
        assert (verdict.valid, verdict.length, verdict.head_hash) == (True, 0, None)
    settings.cache_clear()
