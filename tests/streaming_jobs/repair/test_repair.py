"""Faults with which the stream refuses to start, and repairs that restore the same rows."""

import hashlib
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.checkpoint import batch_under_way
from lakehouse.io.delta import clear_cache, empty_table, open_table, table_uri
from lakehouse.times import rfc3339
from streaming_jobs.batch.place_memory import forget_saved
from streaming_jobs.gold import runner
from streaming_jobs.repair import rebuild
from streaming_jobs.repair.rebuild import rebuild_checkpoint
from streaming_jobs.startup import checks
from tests.streaming_jobs.conftest import EARLIER, Crash, Stream, price, reading, rebuild_everything
from tests.streaming_jobs.test_batches import ACCEPTED, MIXED, assert_as_planned


def digests(stream: Stream) -> dict[str, str]:
    """Table -> hash of its sorted rows, background gold refreshed as a rebuild does."""
    runner.BackgroundJobs(runner.make_jobs(), threading.Event()).round()
    hashes = {}
    for table in contracts():
        rows = sorted(repr(sorted(row.items())) for row in stream.rows(table))
        hashes[table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return hashes


def test_silver_rebuilt_from_bronze_has_the_same_rows(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    stream.send(*MIXED)
    stream.run()
    stream.send(price("e", 11900), price("a"), price("b", 12500))
    stream.send(
        reading("s1", temperature_c=20.5, crowd_count=4), reading("s2", temperature_c=99), kind="sensor"
    )
    stream.run()
    before = digests(stream)
    monkeypatch.setenv("LUMBUNG_STREAM__MAX_EVENTS_PER_BATCH", "3")  # in several parts
    settings.cache_clear()
    assert rebuild_everything() == 14
    assert digests(stream) == before
    assert stream.refusal() == ""
    stream.send(price("f"), price("a"), price("b", 12500))
    stream.run()
    assert stream.balance() == {"rows_in": 17, "silver": 6, "quarantine": 5, "duplicates": 6}
    assert len(stream.rows("gold.price_history")) == 5


def test_rebuild_after_a_crash_finishes_the_interrupted_batch(either: Stream):
    either.send(price("first"))
    either.run()
    either.send(*MIXED[:-1])
    either.crash("stream.after_silver")
    assert rebuild_everything() == 9
    assert batch_under_way() is None
    either.run()
    assert dict(either.silver()) == {"first": 1, "a": 1, "b": 1}
    assert either.balance() == {"rows_in": 9, "silver": 3, "quarantine": 4, "duplicates": 2}


def test_killed_rebuild_is_requested_again(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    stream.send(*MIXED)
    stream.run()
    before = digests(stream)
    empty_table("silver.prices")
    with monkeypatch.context() as patch:
        patch.setattr(
            "streaming_jobs.repair.rebuild_silver.exchange", lambda *ignored: (_ for _ in ()).throw(Crash())
        )
        with pytest.raises(Crash):
            rebuild_everything()
    assert stream.rows("silver.prices") == [] and "./run.sh rebuild silver" in stream.refusal()
    rebuild_everything()
    assert digests(stream) == before and stream.refusal() == ""


def test_checkpoint_is_rebuilt_while_all_but_the_stream_runs(stream: Stream):
    """`up` starts the broker with the rest of the stack, so the repair must not want the rest down."""
    stream.send(*MIXED)
    stream.run()
    with runner.lock():
        with pytest.raises(typer.Exit) as refused:
            rebuild.main("gold")
        assert refused.value.exit_code == ExitCode.REFUSED
        rebuild.main("checkpoint")
    assert stream.refusal() == ""


def test_without_a_lake_the_stream_can_begin_again_and_nothing_else_is_deleted(stream: Stream):
    stream.send(*MIXED)
    stream.run()
    shutil.rmtree(settings().lake_root)
    refusal = stream.refusal()
    assert settings().lake_root in refusal and "lake.root" in refusal and "delete" not in refusal
    assert "./run.sh rebuild checkpoint" in refusal
    rebuild.main("checkpoint")
    assert stream.refusal() == ""
    stream.run()
    # Kafka also holds what earlier tests sent, perhaps under the same ids.
    assert {row["event_id"] for row in stream.rows("bronze.events")} >= ACCEPTED.keys()
    assert set(stream.silver().values()) == {1}
    counts = stream.balance()
    assert counts["rows_in"] == counts["silver"] + counts["quarantine"] + counts["duplicates"] > len(MIXED)


def lose_the_tags(table: str) -> None:
    """Leave no commit with offsets, as cleaning of the log after a long pause may."""
    open_table(table).alter.set_table_description("without a tag")
    open_table(table).create_checkpoint()
    for file in sorted((Path(table_uri(table)) / "_delta_log").glob("*.json"))[:-1]:
        file.unlink()
    clear_cache()


def test_lake_whose_commits_note_no_offset_is_refused_and_continues_behind_bronze(stream: Stream):
    others = stream.fill()
    stream.send(*MIXED)
    stream.run()
    lose_the_tags("gold.balance")
    assert "./run.sh rebuild checkpoint" in stream.refusal()
    lose_the_tags("bronze.events")
    assert "./run.sh rebuild checkpoint" in stream.refusal()
    rebuild_checkpoint()
    assert stream.refusal() == ""
    stream.send(price("e", 11900, event_time=rfc3339(EARLIER - timedelta(days=1))), price("a"))
    stream.run()
    filled = 2  # accepted ones of each kind
    assert stream.balance() == {
        "rows_in": 11 + 2 * filled + others,
        "silver": 4 + 2 * filled,
        "quarantine": 4 + others,
        "duplicates": 3,
    }
    assert len(stream.rows("bronze.events")) == 11 + 2 * filled + others
    assert sorted(row["event_id"] for row in stream.rows("gold.price_history")) == [
        "a",
        "b",
        "d",
        "e",
        "fill-0",
        "fill-1",
    ]
    assert stream.refusal() == ""


def newest_commit(table: str) -> Path:
    return max((Path(table_uri(table)) / "_delta_log").glob("*.json"))


@pytest.mark.parametrize("table", ["silver.prices", "silver.quarantine"])
def test_table_behind_the_last_batch_is_refused_and_rebuilt(stream: Stream, table: str):
    stream.send(*MIXED)
    stream.run()
    lost = newest_commit(table)
    lost.unlink()
    lost.with_name(f".{lost.name}.crc").unlink(missing_ok=True)
    refusal = stream.refusal()
    assert table in refusal and "./run.sh rebuild silver" in refusal
    rebuild_everything()
    assert_as_planned(stream)
    assert stream.refusal() == ""


@pytest.mark.parametrize("balance", ["data file lost", "commit cut"])
def test_tables_with_damaged_files_are_refused_and_rebuilt(stream: Stream, balance: str):
    stream.send(*MIXED)
    stream.run()
    newest_commit("silver.prices").write_text('{"add":')
    newest_commit("silver.quarantine").write_text("")
    if balance == "data file lost":
        Path(open_table("gold.balance").file_uris()[0]).unlink()
    else:
        newest_commit("gold.balance").write_text('{"add":')
    refusal = stream.refusal()
    assert "silver.prices: its log cannot be read" in refusal and "./run.sh rebuild silver" in refusal
    rebuild_everything()
    assert_as_planned(stream)
    assert stream.refusal() == ""
    stream.send(price("e", 11900), price("a"))
    stream.run()
    assert stream.balance() == {"rows_in": 11, "silver": 4, "quarantine": 4, "duplicates": 3}


def test_batch_that_kafka_no_longer_holds_between_bronze_and_silver_is_repaired(either: Stream):
    others = either.fill()
    either.send(*MIXED)
    either.crash("stream.after_bronze.events")
    rebuild_checkpoint()  # the operator goes on behind bronze
    assert f"{13 + others} records in bronze" in either.refusal() and "rebuild silver" in either.refusal()
    rebuild_everything()
    assert either.refusal() == ""
    assert either.balance() == {
        "rows_in": 13 + others,
        "silver": 7,
        "quarantine": 4 + others,
        "duplicates": 2,
    }


def test_missing_memory_of_a_place_is_read_from_bronze(stream: Stream):
    stream.send(*MIXED)
    stream.run()
    forget_saved()
    stream.send(price("a"), price("b", 12500), price("b", 13000))
    stream.run()
    assert stream.balance() == {"rows_in": 12, "silver": 3, "quarantine": 5, "duplicates": 4}


def test_second_writer_is_refused_with_the_pid_of_the_first(home: Path):
    held = checks.lock()
    with pytest.raises(checks.Refused, match=r"pid \d+"):
        checks.lock()
    held.close()
    checks.lock().close()
