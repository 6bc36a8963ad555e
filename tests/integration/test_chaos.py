"""Nothing is lost and nothing doubled while every part of the stack is killed with -9 under load."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from conf.settings import REPO, child_environment
from scripts.chaos.__main__ import kills
from scripts.chaos.ledger import OTHERS, plan


def test_the_plan_is_seeded_and_touches_every_door_and_verdict():
    now = datetime(2026, 1, 5, 3, tzinfo=UTC)
    entries = plan(3000, 7, now)
    assert entries == plan(3000, 7, now) != plan(3000, 8, now)
    assert len({entry.event_id for entry in entries}) == 3000
    assert {(e.door, e.verdict) for e in entries} == {(d, v) for d in ("mqtt", "http", "csv") for v in ("silver", "quarantine")}
    assert any(entry.again for entry in entries) and {entry.kind for entry in entries} == {"price", *OTHERS}
    assert {entry.decision for entry in entries} == {"release", "correct", "reject", None}


def test_every_part_is_killed_once_before_any_is_killed_twice():
    planned = kills(6, 3, 60)
    victims = [victim for _, victim in planned]
    assert sorted(victims) == sorted({"gateway", "broker", "jvm", "stream", "api", "folder_watch"})
    assert victims.index("jvm") < victims.index("stream")
    assert [second for second, _ in planned] == sorted(second for second, _ in planned)


@pytest.mark.timeout(300)
def test_nothing_lost_nothing_doubled():
    command = [sys.executable, "-m", "scripts.chaos", "--events", "20000", "--kills", "6", "--seed", "1"]
    done = subprocess.run(command, cwd=REPO, env=child_environment(), capture_output=True, text=True, timeout=290)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
