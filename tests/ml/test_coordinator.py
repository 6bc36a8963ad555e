"""The trainer decides what is due, runs one round at a time, answers orders, and outlives rounds that fail."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable

from conf import training_jobs
from conf.process import Refused, hold
from conf.settings import REPO, child_environment, settings
from ml import coordinator, rounds
from ml.coordinator import Trainer, parts_of
from ml.tables import is_there, path_of
from ml.train import main
from tests.ml.lake import daily_rows, of_panel, write_daily
from tests.ml.made_panels import noisy


@pytest.fixture
def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Arguments of the rounds that a trainer starts; each succeeds at once."""
    calls: list[list[str]] = []
    monkeypatch.setattr(Trainer, "_round", lambda self, arguments, why: calls.append(arguments))
    return calls


def test_what_is_due_in_which_order(started: list[list[str]]):
    trainer = Trainer(threading.Event())
    trainer.look()
    assert started == []
    write_daily(daily_rows(date(2026, 3, 1), 3))
    trainer.look()
    assert started == [["price", "--issue"]]
    rounds.note("issue", last_day="2026-03-03", rows=12, version=0)
    trainer.look()
    assert started[1:] == [["price", "--if-changed"]]  # the history has stood still for two looks
    write_daily(daily_rows(date(2026, 3, 4), 3))
    rounds.note("issue", last_day="2026-03-06", rows=24, version=1)
    trainer.look()
    assert started[2:] == []  # it is growing
    rounds.note("price", config=rounds.config(), days=6, last_day="2026-03-06", run_id=None, status="rejected")
    trainer.look()
    trainer.look()
    assert started[2:] == []
    rounds.note("drift", drifting=True, against=0, day="x")
    trainer.look()
    assert started[2:] == [["price", "--if-changed"]]


def test_an_order_goes_first_and_a_round_without_a_word_has_failed(started: list[list[str]]):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    order = training_jobs.submit(["prophet", "sales"], ["bawang-merah"], "prices moved", "central")
    Trainer(threading.Event()).look()
    assert started == [
        ["sales"],
        ["price", "--job", order.job_id, "--models", "prophet", "--commodities", "bawang-merah"],
    ]
    done = training_jobs.job(order.job_id)
    assert (done.status, done.detail) == ("failed", "the round ended without a word")


def test_an_order_is_trained_while_another_round_holds_the_lock_and_cron_answers_what_no_trainer_takes(home: Path):
    write_daily(of_panel(noisy(1, 1010, goods=["teh"], regions=["11", "32", "51"])))
    order = training_jobs.submit(["drift"], [], "prices moved", "central")
    lock = hold("training", "x")
    threading.Timer(3, lock.close).start()
    Trainer(threading.Event()).look()
    done = training_jobs.job(order.job_id)
    assert (done.status, done.promoted, done.progress_pct) == ("rejected", False, 100) and "naive is served" in done.detail
    assert DeltaTable(path_of("gold.forecasts")).count() > 0
    order = training_jobs.submit(["drift"], ["teh"], "again", "central")
    coordinator.answer_orders()
    assert training_jobs.job(order.job_id).status == "rejected"
    assert json.loads((settings().state_dir / "trainer.json").read_text())["state"] == "stopped"


def test_a_part_of_an_order_that_fails_is_not_forgotten(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Trainer, "_round", lambda self, arguments, why: "exit code 1" if arguments[0] == "sales" else None)
    order = training_jobs.submit([], [], "all of it", "central")
    Trainer(threading.Event()).look()
    assert training_jobs.job(order.job_id).detail == "sales: exit code 1"


def test_what_an_order_asks_for():
    assert parts_of([]) == (["sales", "price"], [])
    assert parts_of(["sales"]) == (["sales"], [])
    assert parts_of(["ensemble", "lstm"]) == (["price"], ["ensemble", "lstm"])


def test_a_failed_round_rests_and_is_told(home: Path, monkeypatch: pytest.MonkeyPatch):
    trainer = Trainer(threading.Event())
    failure = trainer._round(["weather"], "a test")
    assert failure == "the round ended with exit code 2"
    trainer._rest_after(failure)
    said = json.loads((settings().state_dir / "trainer.json").read_text())
    assert (said["state"], said["rounds"], said["failure"]) == ("waiting", 1, "the round ended with exit code 2")
    write_daily(daily_rows(date(2026, 3, 1), 3))
    monkeypatch.setattr(Trainer, "_round", lambda *_: pytest.fail("it rests"))
    trainer.look()


def test_one_round_and_one_trainer_at_a_time(home: Path, capsys: pytest.CaptureFixture):
    with hold("training", "x"):
        with pytest.raises(Refused, match=str(os.getpid())):
            hold("training", "x")
        assert main(["price", "--if-changed"]) == 0 and "nothing to do" in capsys.readouterr().err
        assert main(["price"]) == 5
    with hold("trainer", "x"):
        assert coordinator.main() == 5


def test_the_process_serves_naive_from_the_first_price_on_and_stops_when_told(home: Path):
    write_daily(daily_rows(date(2026, 3, 1), 3))
    order = training_jobs.submit(["signal"], [], "to be refused", "central")
    training_jobs.take()  # by a trainer that is gone
    process = subprocess.Popen(
        [sys.executable, "-m", "ml.coordinator"], cwd=REPO, env=child_environment(LUMBUNG_TRAINING__WATCH_SECONDS="0.2")
    )
    try:
        end = time.monotonic() + 60
        while not (is_there("gold.forecasts") and rounds.noted("issue")) and time.monotonic() < end:
            time.sleep(0.2)
        assert DeltaTable(path_of("gold.forecasts")).count() == 3 * 7 * 2
        done = training_jobs.job(order.job_id)
        assert done.status == "failed" and "no signals yet" in done.detail
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert json.loads((settings().state_dir / "trainer.json").read_text())["state"] == "stopped"
