"""`rebuild gold` computes tables again from all of their sources, while nothing else writes them."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
import typer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.status_files import write_json
from lakehouse.io.delta import open_table, replace_rows
from streaming_jobs.batch.folded_gold import fold_again
from streaming_jobs.gold import runner, signals
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.repair import rebuild
from streaming_jobs.repair.rebuild_gold import BatchEngine
from streaming_jobs.startup import checks
from tests.support.gold.batches import Batches
from tests.support.gold.rows import rows_of
from tests.support.gold.subjects import SUBJECTS
from tests.support.price_lake import Stream, price_rows, sensor_rows

TABLES = ("gold.live_prices", "gold.sensors_live", "gold.daily_prices", "gold.markets", "gold.indicators")


def by_text(table: str) -> list[str]:
    return sorted(map(str, rows_of(table)))


@pytest.fixture
def gold(lake: Path) -> dict[str, list[str]]:
    """Table -> its rows, of a lake with prices and readings."""
    Stream().write(price_rows(3)[:400], sensor_rows(3, 50))
    IncrementalGold(1).refresh()
    runner.make_job("indicators").refresh()
    return {table: by_text(table) for table in TABLES}


def test_rows_that_were_lost_are_computed_again(
    gold: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for table in TABLES:
        replace_rows(table, [])
        rebuild.main("gold", table)
        assert by_text(table) == gold[table]
    shown = capsys.readouterr().out.splitlines()
    assert shown[2].startswith("gold.daily_prices: computed again in ")
    assert shown[0].startswith("gold.live_prices, gold.sensors_live: computed again in ")


def test_job_that_works_in_turns_is_run_to_its_end(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Batches().write(SUBJECTS["trading"].rows(random.Random(3)))
    rebuild.main("gold", "gold.signals")
    wanted = open_table("gold.signals").count()
    monkeypatch.setattr(signals, "PAST_BARS_A_REFRESH", wanted // 3)
    rebuild.main("gold", "gold.signals")
    assert open_table("gold.signals").count() == wanted > 3


def test_what_refreshes_gold_goes_on_after_all_tables_were_computed_again(
    gold: dict[str, list[str]],
) -> None:
    rebuild.main("gold")
    assert {table: by_text(table) for table in TABLES} == gold
    versions = {table: open_table(table).version() for table in TABLES}
    assert fold_again() == []
    IncrementalGold(1).refresh()
    runner.make_job("indicators").refresh()
    assert {table: open_table(table).version() for table in TABLES} == versions


@pytest.mark.parametrize(
    ("what", "table", "engine"),
    [
        ("bronze", None, None),
        ("silver", "gold.markets", None),
        ("checkpoint", None, BatchEngine.spark),
        ("gold", "silver.prices", None),
        ("gold", "gold.forecasts", None),
        ("gold", "gold.indicators", BatchEngine.spark),
    ],
)
def test_wrong_use_is_refused(what: str, table: str | None, engine: BatchEngine | None) -> None:
    with pytest.raises(typer.Exit) as exit:
        rebuild.main(what, table, engine)
    assert exit.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("lock", [checks.lock, runner.lock])
def test_running_stack_is_refused(
    gold: dict[str, list[str]], lock: Callable[[], IO[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with lock(), pytest.raises(typer.Exit) as exit:
        rebuild.main("gold")
    assert exit.value.exit_code == ExitCode.REFUSED
    assert "./run.sh down" in capsys.readouterr().err
    assert {table: by_text(table) for table in TABLES} == gold


def test_incomplete_silver_is_refused(gold: dict[str, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    write_json(checks.rebuilding_file(), {})
    with pytest.raises(typer.Exit) as exit:
        rebuild.main("gold")
    assert exit.value.exit_code == ExitCode.REFUSED
    assert "./run.sh rebuild silver" in capsys.readouterr().err
    assert {table: by_text(table) for table in TABLES} == gold
