"""Damage to any file of a table is named with its remedy, or healed; none ends in an exception."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from deltalake import DeltaTable

from conf.runtime.process import Refused
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io import query
from lakehouse.io.delta import BatchTag, append_rows, clear_cache, create_tables, open_table, table_uri
from lakehouse.io.table_files import FileComparison, Notebook, altered_files, faults
from lakehouse.reference import Market, markets
from scripts.commands import doctor
from scripts.commands.reconcile import differences_now, gold_differences, reconcile
from streaming_jobs.batch.folded_gold import FoldedGold, fold_again, rows_to_fold
from streaming_jobs.flows import refreshed
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.startup import checks
from streaming_jobs.startup.heal import gold_of_the_stream, heal
from tests.support.empty_lake import copy_empty_tables
from tests.support.written_lake import finish, write

NOON = datetime(2026, 3, 1, 5, tzinfo=UTC)
STREAM = "one-stream"
HEALED = ["gold.live_prices", "gold.price_history", "gold.daily_prices", "gold.markets"]
BATCH = ["bronze.events", "silver.prices", "silver.quarantine", "gold.reviews", "gold.balance"]
# Damaged together, while the others show that damage is not named where there is none.
THIRDS = [[*BATCH, *HEALED][number::3] for number in range(3)]


def table_findings(deep: bool) -> list[doctor.Finding]:
    """What `doctor` finds of every table."""
    return [finding for name in contracts() for finding in doctor.table_findings(name, deep)]


def write_batch(number: int) -> None:
    """20 prices of one batch in every table that a batch writes."""
    time = NOON + timedelta(minutes=number)
    rows = [
        {
            "event_id": f"e{number}-{nth}",
            "market_id": f"PASAR-{nth + 1:03}",
            "region_code": "31",
            "commodity": "garam",
            "channel": "retail",
            "price_idr": 10_000.0 + nth,
            "ingested_at": time,
            "event_time": time,
            "market_month": "2026-03",
        }
        for nth in range(20)
    ]
    write("bronze.events", [{**row, "kind": "price"} for row in rows])
    write("silver.quarantine", [{"event_id": f"q{number}", "kind": "price", "reasons": []}])
    write("gold.reviews", [{"decision_id": f"d{number}", "ingested_at": time}])
    write("silver.decisions", [{"event_id": f"d{number}", "ingested_at": time}])
    tag = BatchTag(STREAM, number)
    write("silver.prices", rows)
    prices = open_table("silver.prices").to_pyarrow_table()
    new = prices.filter([at == time for at in prices["ingested_at"].to_pylist()])
    FoldedGold().update([rows_to_fold("silver.prices", new)], tag)
    append_rows("silver.prices", new.slice(0, 0), tag.text())  # the tag of the batch
    finish(time, rows_in=20, silver=20, stream_id=STREAM, batch_id=number)
    append_rows("gold.balance", [], BatchTag(STREAM, number, {"lumbung.price": {"0": 20 * number}}).text())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with three batches, incremental gold and the notes of all files."""
    home = tmp_path_factory.mktemp("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(home))
        settings.cache_clear()
        copy_empty_tables()
        for number in range(3):
            write_batch(number)
            IncrementalGold(1).refresh()
        Notebook().update()
        clear_cache()
    settings.cache_clear()
    yield home


@pytest.fixture
def copied(written: Path, lone_home: Path) -> Path:
    """A copy of that home, which a test may damage."""
    shutil.copytree(written, lone_home, dirs_exist_ok=True)
    clear_cache()
    return lone_home


def newest_commit(table: str) -> Path:
    return max((Path(table_uri(table)) / "_delta_log").glob("*.json"))


def newest_data(table: str) -> Path:
    opened = open_table(table)
    return Path(opened.file_uris()[0])


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    """One bit within the first values, where decoding notices nothing."""
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[str], Any]] = {
    "newest commit deleted": lambda table: newest_commit(table).unlink(),
    "newest commit emptied": lambda table: newest_commit(table).write_bytes(b""),
    "newest commit cut": lambda table: cut(newest_commit(table)),
    "log deleted": lambda table: shutil.rmtree(newest_commit(table).parent),
    "data file deleted": lambda table: newest_data(table).unlink(),
    "data file cut": lambda table: cut(newest_data(table)),
    "bit flipped": lambda table: flip(newest_data(table)),
}


@pytest.mark.parametrize("tables", THIRDS, ids=",".join)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_with_its_remedy_by_doctor(copied: Path, tables: list[str], damage: str):
    for table in tables:
        assert not faults(table, deep=True)
        DAMAGES[damage](table)
    clear_cache()
    named = [finding for finding in table_findings(deep=True) if not finding.ok]
    assert {finding.name for finding in named} == {f"table {table}" for table in tables}
    assert all("rebuild silver" in f.remedy or "from a backup" in f.remedy for f in named)


def refusals() -> list[checks.Finding]:
    """Failed checks of the start but that of Kafka, which these homes do not have."""
    return [finding for finding in checks.findings() if not finding.ok and finding.name != "kafka"]


def test_undamaged_tables_pass_and_nothing_is_healed(copied: Path):
    assert refusals() == []
    assert heal(gold_of_the_stream()) == fold_again() == []
    assert all(finding.ok for finding in table_findings(deep=True))


@pytest.mark.parametrize("table", BATCH)
@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "bit flipped"])
def test_damage_to_a_table_of_the_batch_refuses_the_start(copied: Path, table: str, damage: str):
    DAMAGES[damage](table)
    with pytest.raises(Refused, match=table) as refusal:
        checks.refuse_on_disagreement()
    assert "Remedy: " in str(refusal.value)


@pytest.mark.parametrize("table", HEALED)
@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "bit flipped"])
def test_damaged_gold_is_written_again_from_silver_at_the_start(copied: Path, table: str, damage: str):
    before = {name: rows_of(name) for name in HEALED}
    DAMAGES[damage](table)
    clear_cache()
    assert heal(gold_of_the_stream()) == [table]
    again = fold_again()
    IncrementalGold(1).refresh()
    assert {name: rows_of(name) for name in HEALED} == before
    assert again == (["gold.live_prices"] if table == "gold.live_prices" else [])
    assert not faults(table, deep=True)


@pytest.mark.parametrize("table", ["gold.quality_hourly", "gold.forecasts"])
def test_damaged_table_of_another_process_does_not_keep_the_stream_from_starting(
    copied: Path, table: str, caplog: pytest.LogCaptureFixture
):
    cut(newest_commit(table))
    heal(gold_of_the_stream())
    clear_cache()
    assert refusals() == []
    create_tables()
    assert f"{table} cannot be opened" in caplog.text
    if table in refreshed("background"):
        assert heal([table]) == [table] and not faults(table)
    else:
        (finding,) = [finding for finding in table_findings(deep=False) if not finding.ok]
        assert "./run.sh train writes it again" in finding.remedy


@pytest.mark.parametrize(
    ("table", "remedy"), [("bronze.events", "from a backup"), ("silver.prices", "./run.sh rebuild silver")]
)
def test_table_behind_the_last_batch_has_the_remedy_that_brings_its_rows_back(
    copied: Path, table: str, remedy: str
):
    tag = BatchTag(STREAM, 3).text(versions={table: 99})
    append_rows("gold.balance", open_table("gold.balance").to_pyarrow_table().slice(0, 0), tag)
    with pytest.raises(Refused, match=f"behind the last batch: {table}.*{remedy}"):
        checks.refuse_on_disagreement()


def test_live_prices_that_lack_the_last_batch_are_folded_again(copied: Path):
    settings().state_dir.joinpath("table_files.json").unlink()  # nothing was noted yet
    before = rows_of("gold.live_prices")
    newest_commit("gold.live_prices").unlink()
    clear_cache()
    assert rows_of("gold.live_prices") != before
    assert fold_again() == ["gold.live_prices"] and rows_of("gold.live_prices") == before
    assert fold_again() == []


@pytest.mark.parametrize("table", ["gold.balance", "silver.prices"])
def test_start_and_reconcile_name_the_check_that_finds_an_undecodable_file(
    copied: Path, table: str, capsys: pytest.CaptureFixture[str]
):
    for uri in open_table(table).file_uris():
        content = bytearray(Path(uri).read_bytes())
        content[4:-400] = bytes(len(content) - 404)
        Path(uri).write_bytes(content)
    with pytest.raises(typer.Exit) as exit_:
        reconcile(as_json=True)
    assert exit_.value.exit_code == 1 and "./run.sh doctor --deep" in capsys.readouterr().err
    if table == "gold.balance":
        with pytest.raises(Refused, match="doctor --deep"):
            checks.refuse_on_disagreement()


def test_flipped_bit_in_a_file_that_was_not_noted_is_named_when_it_cannot_be_decoded(copied: Path):
    settings().state_dir.joinpath("table_files.json").unlink()
    file = newest_data("silver.prices")
    content = bytearray(file.read_bytes())
    content[4:40] = bytes(36)
    file.write_bytes(content)
    assert "cannot be read" in faults("silver.prices", deep=True)[0]


def test_notes_keep_the_first_checksum_and_the_highest_version(copied: Path):
    file = settings().state_dir / "table_files.json"
    noted = json.loads(file.read_text())["silver.prices"]
    flip(newest_data("silver.prices"))
    newest_commit("gold.price_history").unlink()
    Notebook().update()
    again = json.loads(file.read_text())
    assert again["silver.prices"] == noted
    assert again["gold.price_history"]["version"] == open_table("gold.price_history").version() + 1


def test_flipped_bit_is_a_finding_after_the_hourly_comparison(copied: Path):
    hours = itertools.count()
    comparison = FileComparison(clock=lambda: 3600.0 * next(hours))
    flip(newest_data("silver.prices"))
    assert all(finding.ok for finding in table_findings(deep=False))
    comparison.take_turn()
    (altered,) = [finding for finding in table_findings(deep=False) if not finding.ok]
    assert altered.name == "table silver.prices" and "rebuild silver" in altered.remedy
    assert altered.detail.endswith("is not what was written (checksum)")
    flip(newest_data("silver.prices"))
    assert altered_files("silver.prices") == [], "it was put right"


def rows_of(table: str) -> list[str]:
    return sorted(map(repr, open_table(table).to_pyarrow_table().to_pylist()))


@pytest.mark.parametrize(
    "table", ["gold.live_prices", "gold.price_history", "gold.daily_prices", "gold.markets"]
)
def test_reconcile_names_gold_that_lacks_rows(copied: Path, table: str):
    assert differences_now() == []
    newest_commit(table).unlink()
    clear_cache()
    differences = differences_now()
    missing = {difference["table"]: difference["missing"] for difference in differences}
    assert missing.pop(table) and set(missing) <= {"gold.markets"}, "made from the rows that are lost"
    assert gold_differences() == differences


def test_reconcile_names_rows_of_gold_that_silver_lacks(copied: Path):
    write("gold.reviews", [{"decision_id": "from nowhere"}])
    DeltaTable(table_uri("silver.prices")).delete("event_id = 'e1-3'")
    differences = {
        difference["table"]: (difference["missing"], difference["surplus"])
        for difference in differences_now()
    }
    assert differences.pop("gold.reviews") == (0, 1) and differences.pop("gold.price_history") == (0, 1)
    assert set(differences) == {"gold.daily_prices"}


def test_markets_follow_a_changed_reference_list(copied: Path, monkeypatch: pytest.MonkeyPatch):
    """A market that is listed after the last event was not in the table before the next one."""
    version = open_table("gold.markets").version()
    IncrementalGold(1).refresh()
    assert open_table("gold.markets").version() == version, "nothing has changed"
    listed = {**markets(), "PASAR-NEW": Market("PASAR-NEW", "Pasar Baru", "31", None, None)}
    monkeypatch.setattr(query, "markets", lambda: listed)
    assert [difference["table"] for difference in differences_now()] == ["gold.markets"]
    IncrementalGold(1).refresh()
    assert differences_now() == []
    assert "PASAR-NEW" in open_table("gold.markets").to_pyarrow_table()["market_id"].to_pylist()
