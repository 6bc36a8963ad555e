"""The background gold process: every job runs, one process at a time, a clean stop, a status file."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conf.runtime.process import Refused
from conf.settings import REPO, child_environment
from lakehouse.contracts.contract import contracts
from streaming_jobs.flows import background_jobs, refreshed
from streaming_jobs.gold import runner
from tests.conftest import DECISION_KEY
from tests.support.query_lake import Lake
from tests.support.waiting import eventually


class RecordingJob:
    """A job that records its runs, and fails on request."""

    def __init__(self, name: str, turns: list[str], failing: bool = False) -> None:
        self.name = name
        self._turns = turns
        self._failing = failing

    def refresh(self) -> None:
        self._turns.append(self.name)
        if self._failing:
            raise ValueError(f"{self.name} cannot")


def status(home: Path) -> dict:
    return json.loads((home / "state" / "background_gold.json").read_text())


def test_failing_job_does_not_skip_the_others_and_ends_the_process(lake: Path):
    turns: list[str] = []
    jobs = [RecordingJob("first", turns, failing=True), RecordingJob("second", turns)]
    with pytest.raises(ExceptionGroup, match="1 of 2 jobs failed") as raised:
        runner.run(lambda: jobs, once=False, stopping=threading.Event())
    assert [str(error) for error in raised.value.exceptions] == ["first cannot"]
    assert turns == ["first", "second"]
    report = status(lake)
    assert report["state"] == "stopped" and report["rounds"] == 0
    assert (
        report["jobs"]["first"]["failure"] == "ValueError: first cannot"
        and report["jobs"]["first"]["done_at"] is None
    )
    assert report["jobs"]["second"]["failure"] is None and report["jobs"]["second"]["done_at"]


def test_prompt_jobs_take_turns_between_the_others(lake: Path, monkeypatch: pytest.MonkeyPatch):
    """A round takes seconds; a signal does not wait for its end."""
    monkeypatch.setattr(runner, "is_prompt", lambda job: job.name == "prompt")
    monkeypatch.setattr(runner, "PROMPT_SECONDS", 0)
    monkeypatch.setattr(runner, "IDLE_SHARE", 0)
    turns: list[str] = []
    jobs = [RecordingJob(name, turns) for name in ("first", "second", "prompt")]
    runner.run(lambda: jobs, once=True, stopping=threading.Event())
    assert turns == ["first", "prompt", "second", "prompt", "prompt", "prompt"]
    assert status(lake)["jobs"]["prompt"]["done_at"], "its last look shows although it wrote nothing"


def test_stop_between_jobs_skips_the_remaining_jobs(lake: Path):
    turns: list[str] = []
    stopping = threading.Event()
    last = RecordingJob("second", turns)
    first = RecordingJob("first", turns)
    first.refresh = stopping.set  # type: ignore[method-assign]
    runner.run(lambda: [first, last], once=False, stopping=stopping)
    assert turns == [] and status(lake)["state"] == "stopped"


def test_jobs_run_again_after_a_commit_only(lake: Path, monkeypatch: pytest.MonkeyPatch):
    logs = sorted((lake / "lake").glob("*/*/_delta_log"))
    assert len(logs) > 30
    for log in logs:
        os.utime(log, (1, 1))
    turns: list[str] = []
    stopping = threading.Event()
    pauses = iter(range(1, 6))

    def pause(self: runner.BackgroundJobs, seconds: float) -> None:
        nth = next(pauses)
        if nth == 3:  # what a commit does to the folder of the log
            assert turns == ["first"]
            os.utime(logs[0], (2, 2))
        if nth == 5:
            stopping.set()

    monkeypatch.setattr(runner.BackgroundJobs, "pause", pause)
    runner.run(lambda: [RecordingJob("first", turns)], once=False, stopping=stopping)
    assert turns == ["first", "first"]


def test_process_without_work_still_reports_for_the_doctor(lake: Path, monkeypatch: pytest.MonkeyPatch):
    for log in (lake / "lake").glob("*/*/_delta_log"):
        os.utime(log, (1, 1))
    stopping = threading.Event()
    reports: list[dict] = []

    def pause(self: runner.BackgroundJobs, seconds: float) -> None:
        reports.append(status(lake))
        if len(reports) == 3:
            stopping.set()

    monkeypatch.setattr(runner.BackgroundJobs, "pause", pause)
    runner.run(list, once=False, stopping=stopping)
    assert [(report["state"], report["rounds"]) for report in reports] == [("running", 1)] * 3
    times = [report["updated_at"] for report in reports]
    assert times == sorted(set(times))


def test_second_process_is_refused_with_the_pid_of_the_first(lake: Path):
    held = runner.lock()
    with pytest.raises(Refused, match=f"pid {os.getpid()}"):
        runner.run(list, once=True, stopping=threading.Event())
    held.close()
    runner.run(list, once=True, stopping=threading.Event())
    assert status(lake)["rounds"] == 1


def test_process_waits_for_tables_runs_rounds_and_stops_on_sigterm(tmp_path: Path):
    command = [sys.executable, "-m", "streaming_jobs.gold.runner"]
    env = child_environment(
        LUMBUNG_HOME=str(tmp_path),
        LUMBUNG_STREAM__BACKGROUND_GOLD_SECONDS="0.2",
        LUMBUNG_DECISION_KEYS=DECISION_KEY,
    )
    process = subprocess.Popen(command, cwd=REPO, env=env, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: status(tmp_path)["state"] == "waiting", passing=(FileNotFoundError,))
        second = subprocess.run(
            [*command, "--once"], cwd=REPO, env=env, capture_output=True, text=True, timeout=120
        )
        assert second.returncode == 5 and str(process.pid) in second.stderr
        script = "from lakehouse.io.delta import create_tables; create_tables()"
        subprocess.run([sys.executable, "-c", script], cwd=REPO, env=env, check=True, timeout=120)
        eventually(lambda: status(tmp_path)["rounds"] >= 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert status(tmp_path)["state"] == "stopped"
    finally:
        process.kill()
        process.wait()
    once = subprocess.run([*command, "--once"], cwd=REPO, env=env, capture_output=True, text=True, timeout=60)
    assert once.returncode == 0, once.stderr


def test_doctor_and_status_show_a_failing_job(tmp_path: Path):
    lake = Lake(tmp_path)
    (tmp_path / "state").mkdir()
    job = {"seconds": 0.1, "failure": "ValueError: no such column", "done_at": None}
    report = {
        "pid": 1,
        "state": "running",
        "rounds": 3,
        "jobs": {"ledger": job},
        "updated_at": "2026-03-01T05:00:00Z",
    }
    (tmp_path / "state" / "background_gold.json").write_text(json.dumps(report))
    findings = {row["name"]: row for row in json.loads(lake.run("doctor", "--json").stdout)}
    assert not findings["background gold"]["ok"] and "no such column" in findings["background gold"]["detail"]
    assert "ledger ValueError: no such column" in " ".join(lake.run("status", "--all").stdout.split())


def test_every_gold_table_has_one_writer_and_every_background_table_a_job(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_DECISION_KEYS", DECISION_KEY)
    written = [table for when in ("batch", "seconds", "background", "training") for table in refreshed(when)]
    assert sorted(written) == sorted(name for name in contracts() if name.startswith("gold."))
    assert [job.name for job in runner.make_jobs()] == list(background_jobs())


def test_table_is_refreshed_after_the_tables_that_it_reads():
    for when in ("batch", "seconds", "background", "training"):
        order = refreshed(when)
        for table in order:
            read = set(contracts()[table].reads) & set(order)
            assert all(order.index(source) < order.index(table) for source in read)
