"""The process of heavier gold: every job has its turn, one process at a time, a clean stop, a file that tells."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conf.process import Refused
from conf.settings import REPO, child_environment, settings
from lakehouse.contract import contracts
from streaming_jobs import heavy_gold
from streaming_jobs.delta_sink import create_tables
from streaming_jobs.flows import HEAVY, HOT, LEARNED, SLOW
from tests.scripts.lake import Lake


class Noted:
    """A job that notes its turns, and fails when told to."""

    def __init__(self, name: str, turns: list[str], failing: bool = False) -> None:
        self.name, self._turns, self._failing = name, turns, failing

    def refresh(self) -> None:
        self._turns.append(self.name)
        if self._failing:
            raise ValueError(f"{self.name} cannot")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    create_tables()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


def told(home: Path) -> dict:
    return json.loads((home / "state" / "heavy.json").read_text())


def test_a_failing_job_does_not_take_the_others_turn_and_ends_the_process(lake: Path):
    turns: list[str] = []
    jobs = [lambda: Noted("first", turns, failing=True), lambda: Noted("second", turns)]
    with pytest.raises(ExceptionGroup, match="1 of 2 jobs failed") as raised:
        heavy_gold.run(jobs, once=False, stopping=threading.Event())
    assert [str(one) for one in raised.value.exceptions] == ["first cannot"]
    assert turns == ["first", "second"]
    said = told(lake)
    assert said["state"] == "stopped" and said["rounds"] == 0
    assert said["jobs"]["first"]["failure"] == "ValueError: first cannot" and said["jobs"]["first"]["done_at"] is None
    assert said["jobs"]["second"]["failure"] is None and said["jobs"]["second"]["done_at"]


def test_told_to_stop_between_jobs_it_leaves_the_rest(lake: Path):
    turns: list[str] = []
    stopping = threading.Event()
    last = Noted("second", turns)
    first = Noted("first", turns)
    first.refresh = stopping.set  # type: ignore[method-assign]
    heavy_gold.run([lambda: first, lambda: last], once=False, stopping=stopping)
    assert turns == [] and told(lake)["state"] == "stopped"


def test_a_second_process_is_refused_with_the_pid_of_the_first(lake: Path):
    held = heavy_gold.lock()
    with pytest.raises(Refused, match=f"pid {os.getpid()}"):
        heavy_gold.run([], once=True, stopping=threading.Event())
    held.close()
    heavy_gold.run([], once=True, stopping=threading.Event())
    assert told(lake)["rounds"] == 1


def test_the_process_waits_for_tables_runs_its_rounds_and_stops_when_told(tmp_path: Path):
    command = [sys.executable, "-m", "streaming_jobs.heavy_gold"]
    env = child_environment(LUMBUNG_HOME=str(tmp_path), LUMBUNG_STREAM__HEAVY_TRIGGER_SECONDS="0.2")
    process = subprocess.Popen(command, cwd=REPO, env=env, stderr=subprocess.PIPE, text=True)
    try:
        _until(lambda: (tmp_path / "state" / "heavy.json").exists() and told(tmp_path)["state"] == "waiting")
        second = subprocess.run([*command, "--once"], cwd=REPO, env=env, capture_output=True, text=True, timeout=30)
        assert second.returncode == 5 and str(process.pid) in second.stderr
        made = "from streaming_jobs.delta_sink import create_tables; create_tables()"
        subprocess.run([sys.executable, "-c", made], cwd=REPO, env=env, check=True, timeout=60)
        _until(lambda: told(tmp_path)["rounds"] >= 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert told(tmp_path)["state"] == "stopped"
    finally:
        process.kill()
        process.wait()
    once = subprocess.run([*command, "--once"], cwd=REPO, env=env, capture_output=True, text=True, timeout=60)
    assert once.returncode == 0, once.stderr


def _until(true, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_doctor_and_status_tell_of_a_failing_job(tmp_path: Path):
    lake = Lake(tmp_path)
    (tmp_path / "state").mkdir()
    job = {"seconds": 0.1, "failure": "ValueError: no such column", "done_at": None}
    said = {"pid": 1, "state": "running", "rounds": 3, "jobs": {"ledger": job}, "updated_at": "2026-03-01T05:00:00Z"}
    (tmp_path / "state" / "heavy.json").write_text(json.dumps(said))
    found = {row["name"]: row for row in json.loads(lake.run("doctor", "--json").stdout)}
    assert not found["heavier gold"]["ok"] and "no such column" in found["heavier gold"]["detail"]
    assert "ledger ValueError: no such column" in " ".join(lake.run("status").stdout.split())


def test_every_gold_table_has_one_writer():
    """The stream's query, its slow thread, the process of heavier gold, or the trainer: two would undo each other's commits."""
    written = (*HOT.gold, *SLOW.gold, *HEAVY.gold, *LEARNED.gold)
    assert sorted(written) == sorted(name for name in contracts() if name.startswith("gold."))
