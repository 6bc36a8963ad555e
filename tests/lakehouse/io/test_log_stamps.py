"""Whether a table has changed, without opening it."""

import os
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io import delta, log_stamps
from lakehouse.io.delta import append_once, append_rows, replace_once, replace_rows
from lakehouse.io.log_stamps import NO_LOG, LogStamps, lake_stamp, log_stamp

TABLE = "gold.balance"


@pytest.fixture
def table(lone_home: Path) -> Path:
    """Folder of a table that does not exist yet."""
    return Path(delta.table_uri(TABLE))


@pytest.fixture
def just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test writes stays young as long as it runs, also with a clock that is years ahead."""
    monkeypatch.setattr(log_stamps, "SETTLED_SECONDS", 10**9)


def commit(table: Path, age_seconds: float = 60) -> None:
    """A commit of one row, that old."""
    write_deltalake(str(table), pa.table({"n": [1]}), mode="append")
    log = table / "_delta_log"
    written = log.stat().st_mtime - age_seconds + DeltaTable(str(table)).version()
    os.utime(log, (written, written))


def test_table_without_a_commit_has_its_own_stamp(table: Path) -> None:
    assert log_stamp(TABLE) == NO_LOG


def test_stamp_differs_after_each_commit(table: Path) -> None:
    stamps = []
    for _ in range(3):
        commit(table)
        stamps.append(log_stamp(TABLE))
    assert None not in stamps
    assert len(set(stamps)) == 3


def test_log_that_has_just_changed_has_no_stamp(table: Path, just_now: None) -> None:
    commit(table, age_seconds=0)
    assert log_stamp(TABLE) is None


def test_object_store_has_no_stamp() -> None:
    assert log_stamp(TABLE, root="s3://bucket/lake") is None


def test_tables_are_read_until_that_has_succeeded_and_after_a_commit(table: Path) -> None:
    stamps = LogStamps([TABLE])
    assert stamps.take() == [NO_LOG]
    commit(table)
    taken = stamps.take()
    assert taken is not None
    assert stamps.take() == taken
    stamps.keep(taken)
    assert stamps.take() is None
    commit(table)
    assert stamps.take() not in (None, taken)


def test_young_log_is_read_each_time(table: Path, just_now: None) -> None:
    stamps = LogStamps([TABLE])
    commit(table, age_seconds=0)
    stamps.keep(stamps.take() or [])
    assert stamps.take() == [None]


def test_stamp_of_the_lake_differs_after_each_write_of_rows(lone_home: Path, just_now: None) -> None:
    root = settings().lake_root
    rows = arrow_schema(contracts()[TABLE]).empty_table()
    delta.ensure_table(TABLE)
    stamps = []
    once = (partial(append_once, made_from="a"), partial(replace_once, made_from="b"))
    for write in (append_rows, replace_rows, *once):
        os.utime(root, (1, 1))
        old = lake_stamp(root)
        write(TABLE, rows)
        stamps.append((old, lake_stamp(root)))
    assert stamps == [(1_000_000_000, None)] * 4
    assert lake_stamp("s3://bucket/lake") is None
