"""A lake that an earlier version wrote: other columns, in another order. It is read and written by name."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import (
    BatchTag,
    clear_cache,
    create_tables,
    high_water_mark,
    open_table,
    read_rows,
    table_uri,
)
from scripts.commands.reconcile import differences_now
from streaming_jobs.batch.folded_gold import fold_again
from streaming_jobs.batch.place_memory import forget_saved
from streaming_jobs.gold.runner import make_jobs
from tests.streaming_jobs.conftest import Stream, price, reading
from tests.streaming_jobs.test_reviews import ABSURD, balance_counts, decide, quarantined_rows

REMOVED = "removed_since"  # a column that no contract names any more
LACKING = {
    "gold.live_prices": {"status"},
    "gold.sensors_live": {"event_id"},
    "gold.silent_series": {"provisional"},
    "gold.schema_drift": {"quarantined"},
    "silver.prices": {"provider"},
}


def make_older(lacking: Mapping[str, set[str]]) -> None:
    """Reverse the columns of every table and add one; `lacking`: table -> columns that were not there yet."""
    for table, contract in contracts().items():
        rows = open_table(table).to_pyarrow_table()
        older = [name for name in reversed(rows.column_names) if name not in lacking.get(table, ())]
        rows = rows.select(older).append_column(REMOVED, pa.nulls(rows.num_rows, pa.string()))
        write_deltalake(
            table_uri(table),
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=list(contract.partition_by) or None,
        )
    clear_cache()


def test_stream_and_background_jobs_continue_with_an_older_lake(stream: Stream):
    high = quarantined_rows(stream, price("first"), price("high", ABSURD))["high"]
    stream.send(reading("r-1", temperature_c=27.5, crowd_count=3), kind="sensor")
    stream.run()
    for job in make_jobs():
        job.refresh()
    make_older(LACKING)
    create_tables()
    assert sorted(fold_again()) == ["gold.live_prices", "gold.sensors_live"]
    assert differences_now() == [], "columns that were added have their values"
    assert fold_again() == []
    stream.send(price("second", 11600), price("bad", -5))
    stream.send(reading("r-2", temperature_c=28.0), kind="sensor")
    stream.send(decide(high, "release"), kind="decision")
    stream.run()
    for job in make_jobs():
        job.refresh()
    assert set(stream.silver()) == {"first", "second", "high"}
    assert [row["event_id"] for row in stream.rows("gold.reviews")] == ["high"]
    assert {row["metric"]: row["event_id"] for row in stream.rows("gold.sensors_live")}[
        "temperature_c"
    ] == "r-2"
    assert differences_now() == []
    assert sum(counts[0] for counts in balance_counts(stream).values()) == stream.sent
    assert high_water_mark("gold.silent_series") == max(r["ingested_at"] for r in stream.rows("gold.balance"))
    assert stream.refusal() == ""


def test_rows_have_the_contracts_columns_whatever_is_stored(stream: Stream):
    stream.send(price("first"))
    stream.run()
    before = read_rows("gold.live_prices")
    make_older(LACKING)
    assert REMOVED in [field.name for field in open_table("gold.live_prices").schema().fields]
    rows = read_rows("gold.live_prices")
    assert tuple(rows.column_names) == contracts()["gold.live_prices"].column_names
    assert rows["status"].to_pylist() == [None]
    assert rows.drop(["status"]).equals(before.drop(["status"]))


def test_events_before_an_upgrade_are_known_although_their_commits_note_no_time(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(BatchTag, "text", without_time(BatchTag.text))
        stream.send(price("first"))
        stream.run()
    forget_saved()
    stream.send(price("first"), price("first", 12345))
    stream.run()
    assert stream.balance() == {"rows_in": 3, "silver": 1, "quarantine": 1, "duplicates": 1}


def without_time(text: Callable[..., str]) -> Callable[..., str]:
    """The tag as earlier versions wrote it."""
    return lambda tag, **more: text(replace(tag, time=None), **more)
