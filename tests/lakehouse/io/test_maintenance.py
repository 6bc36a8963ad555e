"""Small files are merged, and logs kept short, as the knobs say."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.arrow import LOG_RETENTION, arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.checkpoint import newest_tag
from lakehouse.io.delta import (
    BatchTag,
    append_once,
    append_rows,
    cached_table,
    clean_log,
    ensure_table,
    open_table,
    table_uri,
)
from lakehouse.io.delta_files import append_batch
from lakehouse.io.maintenance import Maintenance

TABLE = "gold.model_accuracy"
BALANCE = "gold.balance"


def empty_row(table: str) -> pa.Table:
    schema = arrow_schema(contracts()[table])
    return pa.table([pa.nulls(1, field.type) for field in schema], schema=schema)


def commits(table: str) -> int:
    return len(list((Path(table_uri(table)) / "_delta_log").glob("*.json")))


@pytest.fixture
def forgetful(lone_home: Path) -> Callable[[str], DeltaTable]:
    """Makes a table whose log keeps nothing below its newest checkpoint."""

    def make(table: str) -> DeltaTable:
        ensure_table(table).alter.set_table_properties({LOG_RETENTION: "interval 0 seconds"})
        return open_table(table)

    return make


def test_table_that_training_writes_is_compacted_beyond_the_knob(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings().lake, "compact_after_commits", 5)
    files = []
    for number in range(8):
        append_once(TABLE, empty_row(TABLE), made_from=str(number))
        files.append(len(open_table(TABLE).file_uris()))
    assert files == [1, 2, 3, 4, 5, 1, 2, 3]
    assert open_table(TABLE).to_pyarrow_table().num_rows == 8


def test_log_stays_short_and_keeps_the_tag_of_the_newest_batch(
    forgetful: Callable[[str], DeltaTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit lists the log: a long one makes the stream slower."""
    monkeypatch.setattr(settings().lake, "compact_after_commits", 5)
    forgetful(BALANCE)
    maintenance = Maintenance([BALANCE])
    longest = 0
    for number in range(120):
        offsets = {"lumbung.price": {"0": number}}
        append_batch(BALANCE, empty_row(BALANCE), BatchTag("stream", number, offsets))
        maintenance.take_turn()
        longest = max(longest, commits(BALANCE))
        newest = newest_tag(BALANCE)
        assert newest is not None and newest.batch_id == number
    assert longest < 70  # a checkpoint comes every 50 commits
    assert open_table(BALANCE).to_pyarrow_table().num_rows == 120


def test_opened_table_follows_commits_of_others_and_a_log_that_was_cleaned(
    forgetful: Callable[[str], DeltaTable],
) -> None:
    other = forgetful(TABLE)
    before = cached_table(TABLE).version()
    assert cached_table(TABLE).version() == before
    other.alter.set_table_description("changed by another process")
    assert cached_table(TABLE).version() == before + 1
    for _ in range(60):
        other.alter.set_table_description("and again")
    other.create_checkpoint()
    other.cleanup_metadata()
    assert commits(TABLE) < 5
    assert cached_table(TABLE).version() == other.version()


def test_log_of_an_older_lake_gets_todays_limit(forgetful: Callable[[str], DeltaTable]) -> None:
    forgetful(TABLE)
    append_rows(TABLE, empty_row(TABLE))
    assert ensure_table(TABLE).metadata().configuration[LOG_RETENTION] == "interval 10 minutes"
    clean_log(TABLE)
    assert commits(TABLE) > 2
