"""Rules have changed: what would land now is told first, then it lands, once."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from conf.settings import REPO, settings
from lakehouse.event import rfc3339
from tests.streaming_jobs.conftest import NOW, Stream, price
from tests.streaming_jobs.test_reviews import ABSURD, balanced, doubtful, reviews


def replayed(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.cli", "replay-quarantine", *options]
    return subprocess.run(command, cwd=REPO, env=os.environ, capture_output=True, text=True, timeout=120)


def test_what_a_changed_rule_lets_pass_lands_once(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    old = [price(f"old-{days}", event_time=rfc3339(NOW - timedelta(days=days))) for days in (500, 2000)]
    doubtful(stream, *old, price("absurd", ABSURD), price("good"))
    assert stream.silver() == {"good": 1}
    monkeypatch.setenv("LUMBUNG_VALIDATION__MAX_AGE_DAYS", "1000")
    settings.cache_clear()
    before = stream.rows("gold.reviews"), stream.silver()
    dry = replayed("--rule", "event_time_old", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert json.loads(dry.stdout) == {"open": 2, "would_land": 1, "stays": {"event_time_old": 1}, "dry_run": True}
    stream.run()
    assert (stream.rows("gold.reviews"), stream.silver()) == before
    done = replayed("--rule", "event_time_old")
    assert done.returncode == 0 and "1 decisions sent" in done.stderr, done.stderr
    stream.run()
    assert stream.silver() == {"good": 1, "old-500": 1}
    assert reviews(stream) == [("old-500", 0, "released", "silver")]
    assert {name for name, _ in stream.quarantine()} == {"old-500", "old-2000", "absurd"}
    again = replayed("--rule", "event_time_old", "--json")
    assert json.loads(again.stdout)["would_land"] == 0
    stream.run()
    assert stream.silver() == {"good": 1, "old-500": 1}
    assert balanced(stream) == {"price": (4, 2, 2, 0), "decision": (1, 1, 0, 0)}


def test_a_rule_or_kind_that_nobody_knows_is_refused_with_those_that_there_are(stream: Stream):
    for option in ("--rule", "--kind"):
        wrong = replayed(option, "tide_high")
        assert wrong.returncode == 2 and "known: " in wrong.stderr
