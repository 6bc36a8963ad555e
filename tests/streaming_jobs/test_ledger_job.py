"""Records of gold.ledger: each once and in order, also after crashes; an unaltered lake stays valid."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io import ledger_head
from lakehouse.io.delta import empty_table, open_table
from lakehouse.io.maintenance import Maintenance
from lakehouse.ledger.canonical import canonical, digest
from lakehouse.ledger.chain import GENESIS
from lakehouse.ledger.leaves import BOUND_TABLES, VERDICT_COLUMNS, bound_tables, canonical_rows
from lakehouse.ledger.merkle import leaf_hash, merkle_root
from streaming_jobs.gold import ledger
from streaming_jobs.gold.ledger import LedgerJob
from tests.support.ledger_batches import (
    BEGAN,
    DECISIONS,
    ENTRIES,
    LEDGER,
    PRICES,
    LedgerLake,
    decision,
    entry,
    price,
)


class Crash(Exception):
    """Thrown at a fail point instead of SIGKILL."""


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerLake]:
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    yield LedgerLake()
    monkeypatch.undo()
    settings.cache_clear()


def valid(lake: LedgerLake, length: int) -> None:
    verdict = lake.check()
    assert verdict.valid, verdict.fault
    assert verdict.length == length == len(lake.records())


def test_each_batch_and_each_entry_is_a_record_in_order_of_batches(lake: LedgerLake):
    lake.batch(1, 30)
    lake.batch(2, 0)  # nothing landed in silver
    lake.batch(3, 20, entries=2)
    lake.job.refresh()
    records = lake.records()
    assert [(r["index"], r["kind"], r["event_id"], r["rows"]) for r in records] == [
        (0, "price_batch", None, 30),
        (1, "price", "e-0003-0", 1),
        (2, "price", "e-0003-1", 1),
        (3, "price_batch", None, 20),
    ]
    assert [r["previous_hash"] for r in records] == [GENESIS, *(r["hash"] for r in records[:-1])]
    assert [r["delta_version"] for r in records] == [1, 1, 1, 2], "the version that brought the rows"
    assert records[0]["batch_time"] == BEGAN + timedelta(seconds=1)
    assert {r["rule_set_fingerprint"] for r in records} == {"f" * 12}
    assert [r["actor"] for r in records] == ["stream", "api:operator", "api:operator", "stream"]
    valid(lake, 4)


def test_record_equals_its_definition_computed_with_sha_256(lake: LedgerLake):
    """Leaf, root, payload and hash by their definitions, computed without the code under test."""
    lake.batch(1, 3)
    lake.job.refresh()
    (record,) = lake.records()
    leaves = [
        leaf_hash(
            canonical(
                {
                    "channel": "retail", "commodity": "garam", "event_id": f"p-0001-{n:04d}",
                    "event_time": "2026-03-01T05:00:01.000000Z",
                    "market_date": "2026-03-01", "market_id": "PASAR-001", "offset": 1000 + n, "partition": 0,
                    "price_idr": f"{11_000 + n}.5", "topic": "lumbung.price", "unit": "kg",
                }
            )
        )
        for n in range(3)
    ]  # fmt: skip
    assert record["merkle_root"] == merkle_root(leaves).hex()
    assert record["payload_hash"] == digest(record["payload"].encode())
    assert record["hash"] == digest(
        canonical({name: value for name, value in record.items() if name != "hash"})
    )


def test_second_round_and_second_process_repeat_no_record(lake: LedgerLake):
    lake.batch(1)
    lake.job.refresh()
    version = open_table(LEDGER).version()
    lake.job.refresh()
    LedgerJob().refresh()
    assert open_table(LEDGER).version() == version
    lake.batch(2)
    LedgerJob().refresh()  # the first process then sees a newer version
    lake.batch(3)
    lake.job.refresh()
    valid(lake, 3)


def test_records_do_not_depend_on_the_cut_into_rounds(lake: LedgerLake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings().stream, "max_events_per_batch", 70)
    for number in range(1, 8):
        lake.batch(number, 30, entries=1)
    lake.job.refresh()
    assert open_table(LEDGER).version() == 4, "two batches of 31 events a commit"
    assert [r["batch_time"].second for r in lake.records()] == [n for n in range(1, 8) for _ in range(2)]
    valid(lake, 14)


def test_unfinished_batch_is_not_recorded_yet(lake: LedgerLake):
    lake.batch(1)
    lake.append(PRICES, [price(n, 2) for n in range(5)])
    lake.job.refresh()
    valid(lake, 1)
    lake.finish(2, 5)
    lake.job.refresh()
    valid(lake, 2)


def test_batch_of_a_clock_that_was_set_back_is_recorded(lake: LedgerLake):
    lake.batch(60)
    lake.job.refresh()
    lake.batch(59)
    lake.job.refresh()
    assert [r["batch_time"] for r in lake.records()] == [BEGAN + timedelta(seconds=s) for s in (60, 59)]
    valid(lake, 2)


def test_each_decision_is_a_record_with_its_actor_and_reason(lake: LedgerLake):
    lake.append(
        DECISIONS,
        [
            decision(0, 1),
            decision(1, 1, decision="correct", correction='{"price":12000}', decided_by="central"),
        ],
    )
    lake.batch(1, 5)
    lake.job.refresh()
    first, second, _ = lake.records()
    assert [(r["kind"], r["event_id"], r["actor"]) for r in (first, second)] == [
        ("decision", "d-0001-0", "operator"),
        ("decision", "d-0001-1", "central"),
    ]
    payload = orjson.loads(second["payload"])
    assert (payload["decision"], payload["correction"], payload["reason"]) == (
        "correct",
        '{"price":12000}',
        "seen at the market",
    )
    valid(lake, 3)
    lake.rewrite(DECISIONS, lambda rows: [row | {"reason": "another reason"} for row in rows])
    fault = lake.check().fault
    assert fault and (fault.index, fault.reason, fault.event_id) == (0, "root", "d-0001-0")


def test_entry_of_the_trade_chain_is_recorded_there(lake: LedgerLake):
    lake.append(ENTRIES, [entry(0, 1, chain="trade"), entry(1, 1)])
    lake.batch(1, 10)
    lake.job.refresh()
    assert [(r["index"], r["kind"], r["event_id"]) for r in lake.records("trade")] == [
        (0, "trade", "e-0001-0")
    ]
    assert lake.check("trade").valid and lake.check("trade").length == 1
    valid(lake, 2)
    heads = ledger_head.published()
    assert heads["trade"] == (0, lake.records("trade")[0]["hash"]) and heads["price"][0] == 1


def test_compaction_is_a_record_and_the_ledger_stays_valid(lake: LedgerLake, monkeypatch: pytest.MonkeyPatch):
    for number in range(1, 5):
        lake.batch(number, 20)
    open_table(PRICES).optimize.compact()
    lake.job.refresh()
    lake.batch(5, 20)
    lake.job.refresh()
    kinds = [r["kind"] for r in lake.records()]
    assert kinds == [*["price_batch"] * 4, "compaction", "price_batch"]
    merge = lake.records()[4]
    roots = [leaf_hash(bytes.fromhex(r["merkle_root"])) for r in lake.records()[:4]]
    assert (merge["rows"], merge["merkle_root"]) == (80, merkle_root(roots).hex())
    open_table(PRICES).optimize.compact()
    open_table(LEDGER).optimize.compact()
    for table in (PRICES, LEDGER):
        open_table(table).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
        open_table(table).create_checkpoint()
    lake.job.refresh()
    LedgerJob().refresh()
    valid(lake, 7)


def test_ledger_stays_valid_after_maintenance(lake: LedgerLake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings().lake, "compact_after_commits", 3)
    monkeypatch.setattr(settings().lake, "vacuum_minutes", 0)
    maintenance = Maintenance([PRICES, LEDGER])
    for number in range(1, 12):
        lake.batch(number, 5)
        lake.job.refresh()
        maintenance.take_turn()
    lake.job.refresh()
    assert {r["kind"] for r in lake.records()} == {"price_batch", "compaction"}
    assert lake.check().valid


def test_ledger_stays_valid_after_a_rebuild_with_other_rules(lake: LedgerLake):
    """Rule set, warnings and names are not part of a leaf."""
    for number in range(1, 4):
        lake.batch(number, 10)
    lake.job.refresh()
    rows = open_table(PRICES).to_pyarrow_table().to_pylist()
    empty_table(PRICES)
    lake.append(
        PRICES,
        [
            row | {"rule_set": "0" * 12, "_warnings": ["a_warning"], "market_name": "Pasar Baru"}
            for row in rows
        ],
    )
    lake.job.refresh()
    valid(lake, 3)


@pytest.mark.parametrize("point", ["ledger.before_append", "ledger.after_append", "ledger.after_publish"])
def test_records_are_complete_after_a_crash_between_any_two_steps(
    lake: LedgerLake, monkeypatch: pytest.MonkeyPatch, point: str
):
    def failpoint(name: str) -> None:
        if name == point:
            raise Crash(name)

    lake.batch(1, entries=1)
    lake.job.refresh()
    lake.batch(2, entries=1)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "failpoint", failpoint)
        with pytest.raises(Crash):
            lake.job.refresh()
    assert lake.check().valid, "an unfinished round is no fault"
    LedgerJob().refresh()
    valid(lake, 4)
    assert ledger_head.published()["price"] == (3, lake.records()[-1]["hash"])
    lake.job.refresh()  # the process that failed may also continue
    lake.batch(3)
    lake.job.refresh()
    valid(lake, 5)


def test_incomplete_line_of_the_published_heads_is_skipped(lake: LedgerLake):
    lake.batch(1)
    lake.job.refresh()
    with ledger_head.head_file().open("ab") as out:
        out.write(b'{"time":"2026')
    assert ledger_head.published()["price"][0] == 0
    lake.batch(2)
    LedgerJob().refresh()
    assert ledger_head.published()["price"][0] == 1
    assert len(ledger_head.head_file().read_bytes().splitlines()) == 4, "the first one has no heads"
    valid(lake, 2)


def test_nothing_is_appended_to_a_truncated_chain(lake: LedgerLake, caplog: pytest.LogCaptureFixture):
    """Later valid records would hide the loss."""
    for number in (1, 2):
        lake.batch(number)
    lake.job.refresh()
    lake.rewrite(LEDGER, lambda rows: [row for row in rows if row["index"] < 1])
    lake.batch(3)
    LedgerJob().refresh()
    assert len(lake.records()) == 1 and "record 1 was published, the chain ends after 1" in caplog.text
    verdict = lake.check()
    assert verdict.fault and (verdict.fault.reason, verdict.fault.index) == ("truncated", 1)


def test_leaf_columns_exist_and_hold_no_verdict():
    assert {bound.table for bound in bound_tables()} <= {bound.table for bound in BOUND_TABLES}
    for bound in bound_tables():
        assert set(bound.leaf_columns) <= set(contracts()[bound.table].column_names)
        assert not set(bound.leaf_columns) & set(VERDICT_COLUMNS)
        assert {"event_id", "topic", "partition", "offset"} <= set(bound.leaf_columns)
        assert all(
            name is None or name in contracts()[bound.table].column_names
            for name in (bound.actor, bound.chain_column)
        )


def test_canonical_rows_equal_the_canonical_form_of_each_row(lake: LedgerLake):
    """The fast form over whole columns equals the canonical form of single rows."""
    odd = price(
        0,
        1,
        event_id='"\\\n\x01é€😀',
        price_idr=1e21,
        market_id=None,
        event_time=BEGAN + timedelta(microseconds=7),
    )
    lake.append(PRICES, [odd, price(1, 1, price_idr=0.1 + 0.2), price(2, 1, price_idr=35_000.0)])
    rows = open_table(PRICES).to_pyarrow_table().sort_by("offset")
    columns = next(bound for bound in BOUND_TABLES if bound.table == PRICES).leaf_columns
    amounts = ["1000000000000000000000", "0.30000000000000004", "35000"]
    expected = [
        canonical({name: row[name] for name in columns} | {"price_idr": amount})
        for row, amount in zip(rows.to_pylist(), amounts, strict=True)
    ]
    assert canonical_rows(rows, columns) == expected
