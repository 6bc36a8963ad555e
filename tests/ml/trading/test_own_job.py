"""Jobs that people order, run as the trainer runs them: figures, trials counted, reasons of failures."""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.io import backtest_page, personal_jobs
from lakehouse.io.personal_jobs import PersonalJob
from lakehouse.trading.bars import Bars
from lakehouse.trading.signals import Series
from lakehouse.trading.strategies import STRATEGIES, Number, RuleDecisions, Strategy, while_true
from ml.backtest import app
from ml.personal_jobs import PersonalJobRunner
from ml.trading.backtest_command import OWNER
from ml.trading.bars import bars_of
from ml.trading.experiment import run_experiment
from ml.trading.own_job import main, trials_before
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.support.command_lines import exit_code
from tests.support.empty_lake import copy_empty_store
from tests.support.trading.lake_of_bars import write_bars
from tests.support.waiting import eventually

BACKTEST = {
    "symbol": "COIN",
    "strategy": "momentum",
    "parameters": {"window": [5, 10]},
    "from": None,
    "to": None,
    "benchmark": "cash",
}
EXPERIMENT = {
    "name": "first look",
    "symbol": "COIN",
    "features": ["ma5", "rsi", "return_5"],
    "train_from": "2024-01-01",
    "train_to": "2024-12-31",
}


@pytest.fixture
def lake_of_bars(lone_home: Path) -> Path:
    write_bars(settings().lake_root, COIN, random_bars(1, 600))
    copy_empty_store()
    return lone_home


def run(kind: personal_jobs.JobKind, request: dict, owner: str = "p1") -> PersonalJob:
    personal_jobs.submit(kind, owner, request, 3)
    taken = personal_jobs.take()
    assert taken is not None
    main([taken.job_id])
    ended = personal_jobs.job(taken.job_id)
    assert ended is not None
    return ended


def test_backtest_of_an_interval_takes_its_bars_and_counts_its_own_trials(lake_of_bars: Path):
    write_bars(settings().lake_root, replace(COIN, interval="5m"), random_bars(2, 300))
    write_bars(settings().lake_root, replace(COIN, symbol="QUICK", interval="15m"), random_bars(2, 200))
    write_bars(settings().lake_root, replace(COIN, symbol="QUICK", interval="5m"), random_bars(2, 300))
    assert len(bars_of("COIN").bars) == 600, "daily bars where there are any"
    assert len(bars_of("COIN", interval="5m").bars) == len(bars_of("QUICK").bars) == 300
    run("backtest", BACKTEST)
    quick = run("backtest", BACKTEST | {"interval": "5m"})
    assert quick.result is not None and quick.result["trials"] == 4
    assert "COIN 5m" in " ".join(trials_before("p1"))


def test_backtest_counts_the_trials_of_former_ones_and_claims_nothing_of_a_walk(lake_of_bars: Path):
    first = run("backtest", BACKTEST)
    assert first.status == "succeeded" and first.result is not None, first.detail
    assert first.result["trials"] == 2 and first.result["profit_claim"] is False
    assert first.run_id and len(first.result["equity"]) == 500
    second = run("backtest", BACKTEST | {"parameters": {"window": [10, 20, 40]}})
    assert second.result is not None and second.result["trials"] == 4  # one of them was tried before
    assert trials_before("p2") == {} and len(trials_before("p1")) == 4


def test_backtest_of_the_command_line_counts_the_trials_of_all_symbols(
    lake_of_bars: Path, capsys: pytest.CaptureFixture[str]
):
    write_bars(settings().lake_root, replace(COIN, symbol="OTHER"), random_bars(2, 300))
    write_bars(settings().lake_root, replace(COIN, symbol="SHORT"), random_bars(3, 20))
    momentum = ["signal", "--strategy", "momentum", "--json"]
    assert exit_code(app, [*momentum, "--set", "window=5,10"]) == ExitCode.DONE
    results = json.loads(capsys.readouterr().out)
    assert {name: result.get("trials") for name, result in results.items()} == {
        "COIN": 4,
        "OTHER": 4,
        "SHORT": None,
    }
    assert results["SHORT"] == {"detail": "20 bars are too few: 60 are needed"}
    assert exit_code(app, [*momentum, "--symbol", "coin", "--set", "window=10,20"]) == ExitCode.DONE
    (again,) = json.loads(capsys.readouterr().out).values()
    assert again["trials"] == 5, "those of the former call count too"
    assert len(personal_jobs.own_jobs("backtest", OWNER)) == 3
    assert exit_code(app, ["signal", "--strategy", "momentum", "--symbol", "COIN"]) == ExitCode.DONE
    table = capsys.readouterr().out
    assert table.index("DSR") < table.index("return %") and "COIN" in table


def peeking(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """Compares a close with the next one."""
    coming = np.append(bars.close[1:], np.nan)
    return while_true(coming > bars.close, {"coming": coming})


def test_checks_of_the_command_line_pass_ours_and_name_a_strategy_that_peeks(
    lake_of_bars: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert exit_code(app, ["signal", "--lookahead", "--warmup", "--json"]) == ExitCode.DONE
    checked = json.loads(capsys.readouterr().out)
    assert len(checked["lookahead"]) == len(STRATEGIES)
    assert {(row["checked"], row["biased"]) for row in checked["lookahead"]} == {(200, 0)}
    (rsi,) = (row for row in checked["warm_up"] if row["indicator"] == "rsi" and row["bars"] == 500)
    assert rsi["is_stable"] and rsi["deviation_pct"]["50"] > rsi["deviation_pct"]["250"] > 1e-7
    monkeypatch.setitem(STRATEGIES, "peeking", Strategy(peeking, {}, lambda values: 1))
    assert exit_code(app, ["signal", "--lookahead", "--strategy", "peeking"]) == ExitCode.FAILED
    assert "coming, decision" in capsys.readouterr().out
    write_bars(settings().lake_root, replace(COIN, symbol="QUICK", interval="5m"), random_bars(2, 80))
    assert exit_code(app, ["signal", "--warmup", "--interval", "5m", "--strategy", "momentum"]) == 0
    assert exit_code(app, ["signal", "--lookahead", "--interval", "1m"]) == ExitCode.MISSING
    capsys.readouterr()
    assert exit_code(app, ["signal", "--lookahead", "--symbol", "COIN", "NOSUCH"]) == ExitCode.MISSING
    assert "there are no bars of NOSUCH" in capsys.readouterr().err
    assert personal_jobs.own_jobs("backtest", OWNER) == [], "a check is no trial"


def test_report_of_the_command_line_is_one_file_with_all_symbols(
    lake_of_bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    write_bars(settings().lake_root, replace(COIN, symbol="SHORT"), random_bars(3, 20))
    monkeypatch.setattr(backtest_page, "BUILT", tmp_path)
    file = tmp_path / "report.html"
    ordered = ["signal", "--strategy", "momentum,ma_cross", "--report", str(file)]
    assert exit_code(app, ordered) == ExitCode.MISSING
    assert "./run.sh setup" in capsys.readouterr().err and not personal_jobs.own_jobs("backtest", OWNER)
    for name in ("report.js", "report.css"):
        (tmp_path / name).touch()
    assert exit_code(app, [*ordered[:-1], str(tmp_path / "absent" / "report.html")]) == ExitCode.USAGE
    assert exit_code(app, ordered) == ExitCode.DONE
    (result,) = json.loads(re.findall(r'id="report">(.*?)</script>', file.read_text("utf-8"))[0])
    assert (result["symbol"], result["strategy"], result["trials"]) == ("COIN", "momentum,ma_cross", 2)
    assert result["report"]["bars"] and result["profit_claim"] is False


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--strategy", "none"], ExitCode.USAGE),
        (["--strategy", "momentum", "--set", "window"], ExitCode.USAGE),
        (["--strategy", "momentum", "--set", "window=many"], ExitCode.USAGE),
        (["--strategy", "momentum", "--set", "width=2"], ExitCode.USAGE),
        ([], ExitCode.MISSING),
    ],
)
def test_backtest_without_bars_or_with_a_wrong_value_ends_with_its_code(
    lone_home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: ExitCode
):
    assert exit_code(app, ["signal", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.strip().splitlines()) == 1


@pytest.mark.parametrize("model", ["ridge", "random_forest", "xgboost"])
def test_experiment_is_measured_on_later_bars_with_naive(lake_of_bars: Path, model: str):
    figures = run_experiment(EXPERIMENT | {"model": model})
    assert figures["rows_train"] > 250 and figures["rows_test"] > 200
    assert figures["mae_naive"] > 0 and not figures["beats_naive"]


def test_job_without_bars_or_with_few_fails_with_its_reason(lake_of_bars: Path):
    missing = run("backtest", BACKTEST | {"symbol": "NOSUCH"})
    assert (missing.status, missing.detail) == ("failed", "there are no bars of NOSUCH")
    few = run("backtest", BACKTEST | {"to": "2024-02-01"})
    assert few.detail == "31 bars are too few: 60 are needed"
    short = run("experiment", EXPERIMENT | {"model": "ridge", "train_to": "2025-08-01"})
    assert short.status == "failed" and short.detail is not None and "to measure on" in short.detail


def test_trainer_runs_a_queued_job_at_once_and_one_that_was_left_running(lake_of_bars: Path):
    left = personal_jobs.submit("backtest", "p1", BACKTEST, 3)
    personal_jobs.take()
    stopping = threading.Event()
    runner = PersonalJobRunner(stopping)
    runner.start()
    queued = personal_jobs.submit("experiment", "p1", EXPERIMENT | {"model": "ridge"}, 3)
    try:
        eventually(lambda: len(finished([left.job_id, queued.job_id])) == 2, 240)
        assert finished([left.job_id, queued.job_id]) == ["succeeded", "succeeded"]
    finally:
        stopping.set()
        runner.join(60)


def finished(job_ids: list[str]) -> list[str]:
    known = [personal_jobs.job(job_id) for job_id in job_ids]
    return [job.status for job in known if job and job.finished_at]
