"""The trainer starts what is due, one round at a time, runs training jobs, and survives rounds that fail."""

import os
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused, hold
from conf.settings import REPO, child_environment
from lakehouse.io import training_jobs
from lakehouse.io.delta import table_exists, table_uri
from lakehouse.io.process_status import trainer_status
from ml import schedule
from ml import trainer as trainer_module
from ml.train import app
from ml.trainer import Trainer, rounds_of
from tests.support.command_lines import exit_code
from tests.support.daily_prices_lake import daily_rows, of_panel, write_daily
from tests.support.panels import noisy
from tests.support.waiting import eventually


@pytest.fixture
def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Arguments of the rounds that a trainer starts; each succeeds at once."""
    calls: list[list[str]] = []
    monkeypatch.setattr(Trainer, "_round", lambda self, arguments, reason: calls.append(arguments))
    return calls


def test_due_rounds_start_in_order(started: list[list[str]]):
    trainer = Trainer(threading.Event())
    trainer.run_next()
    assert started == []
    write_daily(daily_rows(date(2026, 3, 1), 3))
    trainer.run_next()
    assert started == [["price", "--issue"]]
    schedule.write_note("issue", last_day="2026-03-03", rows=12, version=0)
    trainer.run_next()
    assert started[1:] == [["price", "--quick"]]  # the history was the same in two checks
    trainer.run_next()
    assert started[2:] == [["price", "--if-changed"]]
    write_daily(daily_rows(date(2026, 3, 4), 3))
    schedule.write_note("issue", last_day="2026-03-06", rows=24, version=1)
    trainer.run_next()
    assert started[3:] == []  # the history is growing
    knobs = schedule.knobs_fingerprint()
    schedule.write_note("price", config=knobs, days=6, last_day="2026-03-06", run_id=None, status="rejected")
    trainer.run_next()
    trainer.run_next()
    assert started[3:] == []
    schedule.write_note("drift", drifting=True, against=0, day="x")
    trainer.run_next()
    assert started[3:] == [["price", "--if-changed"]]


def test_short_rounds_come_before_the_first_whole_round_of_prices(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    schedule.write_note("issue", last_day="2026-03-03", rows=12, version=0)
    monkeypatch.setattr(schedule, "sales_due", lambda: "1000 new product states")
    trainer = Trainer(threading.Event())
    for _ in range(3):
        trainer.run_next()
    monkeypatch.setattr(schedule, "sales_due", lambda: None)
    trainer.run_next()
    assert [arguments[:2] for arguments in started] == [
        ["sales", "--quick"],  # the history is looked at a second time
        ["price", "--quick"],
        ["sales", "--if-changed"],
        ["price", "--if-changed"],
    ]


def test_first_look_at_models_of_prices_precedes_the_forecasts_of_closes(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    schedule.write_note("issue", last_day="2026-03-03", rows=12, version=0)
    trainer = Trainer(threading.Event())
    trainer.run_next()
    monkeypatch.setattr(
        schedule, "signal_due", lambda now: "daily bars of 8 symbols" if len(started) == 1 else None
    )
    trainer.run_next()
    trainer.run_next()
    assert started == [["price", "--quick"], ["signal", "--if-changed"]]


def test_first_training_waits_for_a_history_that_is_being_loaded(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    schedule.write_note("issue", last_day="2026-03-03", rows=12, version=0)
    monkeypatch.setattr(trainer_module, "count_waiting", lambda: 76_882)
    trainer = Trainer(threading.Event())
    for _ in range(trainer_module.MOST_LOOKS + 1):
        trainer.run_next()
    assert started == []
    trainer.run_next()
    assert started == [["price", "--quick"]]


def test_job_goes_first_and_fails_when_its_round_reports_nothing(started: list[list[str]]):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    job = training_jobs.submit(["prophet", "sales"], ["bawang-merah"], "prices moved", "central")
    Trainer(threading.Event()).run_next()
    assert started == [
        ["sales"],
        ["price", "--job", job.job_id, "--models", "prophet", "--commodities", "bawang-merah"],
    ]
    ended = training_jobs.job(job.job_id)
    assert ended.status == "failed"
    assert ended.detail == "the round ended without reporting an outcome"


@pytest.mark.usefixtures("home", "store")
def test_job_waits_for_the_lock_and_cron_runs_jobs_that_no_trainer_takes(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LUMBUNG_TRAINING__PROCESSES", "1")  # two workers take longer to start than the blocks
    write_daily(of_panel(noisy(1, 1010, commodities=["teh"], regions=["11", "32", "51"])))
    job = training_jobs.submit(["drift"], [], "prices moved", "central")
    printed: list[str] = []

    def waits() -> bool:
        printed.append(capfd.readouterr().err)
        return f"another training round runs (pid {os.getpid()}): waiting for its end" in "".join(printed)

    with hold("training", "x"):
        trainer = threading.Thread(target=Trainer(threading.Event()).run_next)
        trainer.start()
        eventually(waits)
        assert training_jobs.job(job.job_id).status == "running"
    trainer.join()
    ended = training_jobs.job(job.job_id)
    assert (ended.status, ended.promoted, ended.progress_pct) == ("rejected", False, 100)
    assert "naive is served" in ended.detail
    assert DeltaTable(table_uri("gold.forecasts")).count() > 0
    job = training_jobs.submit(["drift"], ["teh"], "again", "central")
    trainer_module.run_queued_jobs()
    assert training_jobs.job(job.job_id).status == "rejected"
    assert trainer_status()["state"] == "stopped"


def test_failed_round_of_a_job_is_reported_in_its_detail(home: Path, monkeypatch: pytest.MonkeyPatch):
    def fail_sales(self: Trainer, arguments: list[str], reason: str) -> str | None:
        return "exit code 1" if arguments[0] == "sales" else None

    monkeypatch.setattr(Trainer, "_round", fail_sales)
    job = training_jobs.submit([], [], "all of it", "central")
    Trainer(threading.Event()).run_next()
    assert training_jobs.job(job.job_id).detail == "sales: exit code 1"


def test_models_of_a_job_decide_its_rounds():
    assert rounds_of([]) == (["sales", "price"], [])
    assert rounds_of(["sales"]) == (["sales"], [])
    assert rounds_of(["ensemble", "lstm"]) == (["price"], ["ensemble", "lstm"])


def test_failed_round_pauses_the_trainer_and_is_in_its_status(home: Path, monkeypatch: pytest.MonkeyPatch):
    trainer = Trainer(threading.Event())
    failure = trainer._round(["weather"], "a test")
    assert failure == "the round ended with exit code 2"
    trainer._pause_after(failure)
    status = trainer_status()
    assert (status["state"], status["rounds"], status["failure"]) == ("waiting", 1, failure)
    write_daily(daily_rows(date(2026, 3, 1), 3))
    monkeypatch.setattr(Trainer, "_round", lambda *_: pytest.fail("a round started during the pause"))
    trainer.run_next()


def test_damaged_table_of_training_is_named_with_its_remedy(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    for uri in DeltaTable(table_uri("gold.daily_prices")).file_uris():
        Path(uri).unlink()
    assert exit_code(app, ["price", "--quick"]) == ExitCode.FAILED
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert "gold.daily_prices" in record.message and "remedy: ./run.sh rebuild silver" in record.message
    assert record.exc_info is None, "no stack trace"
    trainer = Trainer(threading.Event())
    monkeypatch.setattr(Trainer, "_round", lambda *_: pytest.fail("a round started on damaged prices"))
    trainer.run_next()
    assert "remedy: ./run.sh rebuild silver" in trainer_status()["failure"]


def test_second_round_and_second_trainer_are_refused(home: Path, capsys: pytest.CaptureFixture):
    with hold("training", "x"):
        with pytest.raises(Refused, match=str(os.getpid())):
            hold("training", "x")
        assert exit_code(app, ["price", "--if-changed"]) == ExitCode.DONE
        assert "nothing to do" in capsys.readouterr().err
        assert exit_code(app, ["price", "--quick"]) == ExitCode.REFUSED
        refusal = capsys.readouterr().err
        assert f"another training round runs (pid {os.getpid()})" in refusal
        assert "then try again" in refusal and "./run.sh status" in refusal
    with hold("trainer", "x"):
        assert trainer_module.main() == ExitCode.REFUSED


def test_trainer_process_serves_naive_from_the_first_price_and_stops_on_sigterm(home: Path):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    job = training_jobs.submit(["signal"], [], "cannot be trained", "central")
    training_jobs.take()  # by a trainer that has stopped
    process = subprocess.Popen(
        [sys.executable, "-m", "ml.trainer"],
        cwd=REPO,
        env=child_environment(LUMBUNG_TRAINING__WATCH_SECONDS="0.2"),
    )
    try:
        eventually(lambda: table_exists("gold.forecasts") and schedule.read_note("issue"), 120)
        assert DeltaTable(table_uri("gold.forecasts")).count() == 3 * 7 * 2
        ended = training_jobs.job(job.job_id)
        assert ended.status == "failed" and "silver.bars is empty" in ended.detail
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert trainer_status()["state"] == "stopped"
