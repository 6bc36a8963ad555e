"""Quarantined events that pass changed rules: a dry run counts them, a replay releases each once."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from click.testing import Result
from typer.testing import CliRunner

from conf.settings import REPO, settings
from lakehouse.times import rfc3339
from streaming_jobs.repair import replay_quarantine
from tests.streaming_jobs.conftest import NOW, Stream, price
from tests.streaming_jobs.test_reviews import ABSURD, balance_counts, quarantined_rows, reviews


def replay(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.cli", "replay-quarantine", *options]
    return subprocess.run(command, cwd=REPO, env=os.environ, capture_output=True, text=True, timeout=120)


def replay_in_process(*options: str) -> Result:
    """Run the command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay_quarantine, "configure_logging", lambda _: None)
        return CliRunner().invoke(replay_quarantine.app, options)


def test_event_that_passes_a_changed_rule_lands_once(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    old = [price(f"old-{days}", event_time=rfc3339(NOW - timedelta(days=days))) for days in (500, 2000)]
    quarantined_rows(stream, *old, price("absurd", ABSURD), price("valid"))
    assert stream.silver() == {"valid": 1}
    monkeypatch.setenv("LUMBUNG_VALIDATION__MAX_AGE_DAYS", "1000")
    settings.cache_clear()
    before = stream.rows("gold.reviews"), stream.silver()
    dry = replay_in_process("--rule", "event_time_old", "--dry-run", "--json")
    assert dry.exit_code == 0, dry.stderr
    assert json.loads(dry.stdout) == {
        "open": 2,
        "would_land": 1,
        "stays": {"event_time_old": 1},
        "dry_run": True,
    }
    stream.run()
    assert (stream.rows("gold.reviews"), stream.silver()) == before
    done = replay("--rule", "event_time_old")
    assert done.returncode == 0 and "1 decisions published" in done.stderr, done.stderr
    stream.run()
    assert stream.silver() == {"valid": 1, "old-500": 1}
    assert reviews(stream) == [("old-500", 0, "released", "silver")]
    assert {name for name, _ in stream.quarantine()} == {"old-500", "old-2000", "absurd"}
    again = replay_in_process("--rule", "event_time_old", "--json")
    assert json.loads(again.stdout)["would_land"] == 0
    stream.run()
    assert stream.silver() == {"valid": 1, "old-500": 1}
    assert balance_counts(stream) == {"price": (4, 2, 2, 0), "decision": (1, 1, 0, 0)}


def test_unknown_rule_or_kind_is_refused_with_the_known_ones(stream: Stream):
    for option in ("--rule", "--kind"):
        wrong = replay(option, "tide_high")
        assert wrong.returncode == 2 and "known: " in wrong.stderr
