"""No event is lost or doubled while every part of the stack is killed with SIGKILL under load."""

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from conf.settings import REPO, child_environment
from scripts.chaos.faults import VICTIMS, faults
from scripts.chaos.plan import KINDS_OF_DOOR, Entry, plan
from tests.support.waiting import eventually


def test_plan_is_seeded_and_covers_every_door_and_verdict():
    now = datetime(2026, 1, 5, 3, tzinfo=UTC)
    entries = plan(3000, 7, now)
    assert entries == plan(3000, 7, now) != plan(3000, 8, now)
    assert len({entry.event_id for entry in entries}) == 3000
    assert {(e.door, e.verdict) for e in entries} == {
        (d, v) for d in ("mqtt", "http", "csv") for v in ("silver", "quarantine")
    }
    assert any(entry.again for entry in entries) and {entry.kind for entry in entries} == {
        "price",
        *KINDS_OF_DOOR["http"],
    }
    assert {entry.decision for entry in entries} == {"release", "correct", "reject", None}
    newest = max(market_day(entry) for entry in entries if entry.reason != "event_time_future")
    far = [entry for entry in entries if entry.reason == "price_in_band" and entry.decision == "release"]
    assert far and {market_day(entry) for entry in far} == {newest}  # no later price is judged by these


def market_day(entry: Entry) -> str:
    return str(entry.fields["event_time"])[:10]


def test_every_part_is_killed_once_before_any_is_killed_twice():
    planned = faults(6, 2, 2, 3, 60)
    victims = [fault.part for fault in planned if fault.action == "kill"]
    assert sorted(victims) == sorted(VICTIMS)
    assert victims.index("reader") < victims.index("stream")
    assert [fault.second for fault in planned] == sorted(fault.second for fault in planned)
    assert len({fault.part for fault in planned if fault.action == "pause"}) == 2
    assert [fault.part for fault in planned if fault.action == "clock"] == ["-360", "240"]


def prove(*options: str, **knobs: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.chaos", *options],
        cwd=REPO,
        env=child_environment(**knobs),
        capture_output=True,
        text=True,
        timeout=590,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"


@pytest.mark.slow
def test_chaos_that_is_ended_stops_its_stack(tmp_path: Path):
    def of_the_stack() -> list[psutil.Process]:
        """Processes whose home is below the folder of temporary files."""
        running = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("STACK_HOME", "").startswith(str(tmp_path)):
                    running.append(process)
        return running

    command = [sys.executable, "-m", "scripts.chaos", "--events", "100", "--kills", "0"]
    environment = child_environment(TMPDIR=str(tmp_path))
    with subprocess.Popen(command, cwd=REPO, env=environment, stderr=subprocess.DEVNULL) as chaos:
        eventually(lambda: len(of_the_stack()) >= 3, 120)
        chaos.terminate()
    assert chaos.returncode
    assert of_the_stack() == []


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_when_broker_gateway_and_reader_are_killed():
    assert [fault.part for fault in faults(3, 0, 0, 5, 27)] == ["broker", "gateway", "reader"]
    prove("--events", "1200", "--kills", "3", "--seed", "5", LUMBUNG_STREAM__ENGINE="embedded")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_when_every_part_is_killed_paused_or_sees_the_clock_step():
    options = ("--kills", "6", "--pauses", "1", "--clock-steps", "2")
    prove("--events", "20000", "--seed", "1", *options, LUMBUNG_STREAM__ENGINE="spark")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_by_the_embedded_engine_when_every_part_is_killed():
    options = ("--events", "8000", "--kills", "6", "--clock-steps", "2", "--seed", "2")
    prove(*options, LUMBUNG_STREAM__ENGINE="embedded")
