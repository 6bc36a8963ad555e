"""Decisions are believed only with a signature of this home: others are quarantined, also after a rebuild."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from conf.runtime.process import Refused
from conf.settings import REPO
from lakehouse.event import Event
from lakehouse.io.decision_keys import decision_keys
from lakehouse.signatures import DecisionKeys
from streaming_jobs.repair.rebuild import rebuild_silver
from tests.conftest import DECISION_KEY
from tests.streaming_jobs.conftest import Stream, price
from tests.streaming_jobs.test_reviews import ABSURD, balance_counts, decide, quarantined_rows, reviews

OTHER_KEY = "f" * 64
RULE = "decision_signed"


def unsigned(event: Event) -> Event:
    return event


def moved(change: Callable[[Event], Event]) -> Callable[[Event], Event]:
    """Signed by this home, and changed afterwards."""
    return lambda event: change(decision_keys().sign(event))


FORGERIES: dict[str, Callable[[Event], Event]] = {
    "unsigned": unsigned,
    "foreign key": DecisionKeys((OTHER_KEY,)).sign,
    "no signature at all": lambda event: replace(event, signature="x é"),
    "other bytes": moved(lambda event: replace(event, value=event.value.replace(b"spot", b"shot"))),
    "other id": moved(lambda event: replace(event, event_id="d-again")),
    "other source": moved(lambda event: replace(event, source="api:admin")),
    "other time": moved(lambda event: replace(event, received_at=event.received_at + timedelta(seconds=1))),
}


def refused_decisions(stream: Stream) -> list[list[str]]:
    rows = (row for row in stream.rows("silver.quarantine") if row["kind"] == "decision")
    return [[reason["rule"] for reason in row["reasons"]] for row in rows]


def test_forged_decisions_are_quarantined_and_the_signed_one_counts(stream: Stream):
    rows = quarantined_rows(stream, price("high", ABSURD))
    for number, forge in enumerate(FORGERIES.values()):
        stream.send(decide(rows["high"], "release", f"d-{number}"), kind="decision", sign=forge)
    stream.run()
    assert not stream.silver() and not reviews(stream) and not stream.rows("silver.decisions")
    assert refused_decisions(stream) == [[RULE]] * len(FORGERIES)
    messages = {
        row["reasons"][0]["message"] for row in stream.rows("silver.quarantine") if row["kind"] == "decision"
    }
    assert messages == {
        "the decision on 'high' has no valid signature, so it was not carried out; "
        "decide with the API or ./run.sh quarantine"
    }
    stream.send(decide(rows["high"], "reject", "d-own"), kind="decision")
    stream.run()
    assert reviews(stream) == [("high", 0, "rejected", "closed")]
    before = balance_counts(stream)
    rebuild_silver()
    assert reviews(stream) == [("high", 0, "rejected", "closed")] and not stream.silver()
    assert refused_decisions(stream) == [[RULE]] * len(FORGERIES) and balance_counts(stream) == before


def test_unsigned_decisions_of_older_batches_stay_valid_when_silver_is_rebuilt(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
):
    rows = quarantined_rows(stream, price("old", ABSURD), price("new", ABSURD + 1))
    monkeypatch.setenv("LUMBUNG_DECISIONS_SIGNED_SINCE", "2100-01-01T00:00:00Z")
    stream.send(decide(rows["old"], "release"), kind="decision", sign=unsigned)
    stream.run()
    assert stream.silver() == {"old": 1}
    monkeypatch.setenv("LUMBUNG_DECISIONS_SIGNED_SINCE", datetime.now(UTC).isoformat())
    stream.send(decide(rows["new"], "release"), kind="decision", sign=unsigned)
    stream.run()
    rebuild_silver()
    assert stream.silver() == {"old": 1} and reviews(stream) == [("old", 0, "released", "silver")]
    assert refused_decisions(stream) == [[RULE]]


def test_decisions_signed_with_an_older_key_stay_valid(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    rows = quarantined_rows(stream, price("a", ABSURD), price("b", ABSURD + 1))
    stream.send(decide(rows["a"], "release"), kind="decision")
    monkeypatch.setenv("LUMBUNG_DECISION_KEYS", f"{OTHER_KEY}, {DECISION_KEY}")
    event = Event("decision", "a", b"{}", "d", "test:1", datetime.now(UTC))
    assert decision_keys().sign(event) == DecisionKeys((OTHER_KEY,)).sign(event), "the newest key signs"
    stream.send(decide(rows["b"], "release"), kind="decision")
    stream.run()
    assert stream.silver() == {"a": 1, "b": 1}
    rebuild_silver()
    assert stream.silver() == {"a": 1, "b": 1}


@pytest.mark.parametrize("keys", ["", " , ", "short", f"{DECISION_KEY},short"])
def test_missing_or_short_key_is_refused_with_the_remedy(keys: str, lone_home, monkeypatch) -> None:
    monkeypatch.setenv("LUMBUNG_DECISION_KEYS", keys)
    with pytest.raises(Refused, match=r"LUMBUNG_DECISION_KEYS.*\./run\.sh setup"):
        decision_keys()


def test_time_of_the_first_signature_needs_its_offset(lone_home, monkeypatch) -> None:
    monkeypatch.setenv("LUMBUNG_DECISIONS_SIGNED_SINCE", "2026-03-01T00:00:00")
    with pytest.raises(Refused, match="LUMBUNG_DECISIONS_SIGNED_SINCE"):
        decision_keys()
    monkeypatch.setenv("LUMBUNG_DECISIONS_SIGNED_SINCE", "")
    assert decision_keys().signed_since is None


def test_stream_without_keys_is_refused_and_leaves_no_process(home: Path):
    environment = {**os.environ, "LUMBUNG_DECISION_KEYS": ""}
    command = [sys.executable, "-m", "streaming_jobs.run", "--once"]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 5, done.stderr
    assert "the stream does not start:\nLUMBUNG_DECISION_KEYS" in done.stderr
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(home) in command]
    assert not (home / "lake").exists()
