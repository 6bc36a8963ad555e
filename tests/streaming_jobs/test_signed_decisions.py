"""Decisions, acts on alerts and ledger entries are believed only with a signature of this home.

Others are quarantined, also after a rebuild.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psutil
import pytest

from conf.runtime.process import Refused
from conf.settings import REPO
from lakehouse.event import Event
from lakehouse.io.signing_keys import signing_keys
from lakehouse.signatures import SigningKeys
from tests.conftest import DECISION_KEY
from tests.streaming_jobs.conftest import Stream, price, rebuild_everything
from tests.streaming_jobs.test_reviews import ABSURD, balance_counts, decide, quarantined_rows, reviews

OTHER_KEY = "f" * 64
RULE = "decision_signed"
LETTERS = {"a": "alert_signed", "l": "ledger_signed"}  # first letter of an event's id -> rule


def unsigned(event: Event) -> Event:
    return event


def moved(change: Callable[[Event], Event]) -> Callable[[Event], Event]:
    """Signed by this home, and changed afterwards."""
    return lambda event: change(signing_keys().sign(event))


FORGERIES: dict[str, Callable[[Event], Event]] = {
    "unsigned": unsigned,
    "foreign key": SigningKeys((OTHER_KEY,)).sign,
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
    rebuild_everything()
    assert reviews(stream) == [("high", 0, "rejected", "closed")] and not stream.silver()
    assert refused_decisions(stream) == [[RULE]] * len(FORGERIES) and balance_counts(stream) == before


def test_decisions_signed_with_an_older_key_stay_valid(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    rows = quarantined_rows(stream, price("a", ABSURD), price("b", ABSURD + 1))
    stream.send(decide(rows["a"], "release"), kind="decision")
    monkeypatch.setenv("LUMBUNG_DECISION_KEYS", f"{OTHER_KEY}, {DECISION_KEY}")
    event = Event("decision", "a", b"{}", "d", "test:1", datetime.now(UTC))
    assert signing_keys().sign(event) == SigningKeys((OTHER_KEY,)).sign(event), "the newest key signs"
    stream.send(decide(rows["b"], "release"), kind="decision")
    stream.run()
    assert stream.silver() == {"a": 1, "b": 1}
    rebuild_everything()
    assert stream.silver() == {"a": 1, "b": 1}


def acts(name: str) -> dict[str, bytes]:
    """Kind -> an event of it that only a program of this home may send."""
    raised = {"event_id": f"a-{name}", "alert_id": f"al-{name}", "act": "raise", "actor": "budi"}
    raised |= {"level": "kritis", "commodity": "garam", "message": "it rises"}
    entry = {"event_id": f"l-{name}", "market_id": "PASAR-001", "commodity": "garam", "price": 15000}
    return {"alert": orjson.dumps(raised), "ledger": orjson.dumps(entry)}


def send_acts(stream: Stream, name: str, sign: Callable[[Event], Event] | None = None) -> None:
    for kind, payload in acts(name).items():
        stream.send(payload, kind=kind, sign=sign)


def landed(stream: Stream) -> set[str]:
    tables = ("silver.alert_events", "silver.ledger_entries")
    return {row["event_id"] for table in tables for row in stream.rows(table)}


def test_forged_alerts_and_ledger_entries_are_quarantined_and_the_signed_ones_count(stream: Stream):
    for number, forge in enumerate((unsigned, SigningKeys((OTHER_KEY,)).sign, FORGERIES["other source"])):
        send_acts(stream, str(number), forge)
    send_acts(stream, "own")
    stream.run()
    forged = {(f"{letter}-{number}", rule) for number in range(3) for letter, rule in LETTERS.items()}
    assert landed(stream) == {"a-own", "l-own"} and set(stream.quarantine()) == forged
    messages = {row["reasons"][0]["message"] for row in stream.rows("silver.quarantine")}
    assert any(text.startswith("the act on alert 'al-0' has no valid signature") for text in messages)
    rebuild_everything()
    assert landed(stream) == {"a-own", "l-own"} and set(stream.quarantine()) == forged


def test_release_of_a_forged_alert_does_not_make_it_count(stream: Stream):
    send_acts(stream, "forged", unsigned)
    stream.run()
    rows = {row["event_id"]: row for row in stream.rows("silver.quarantine")}
    stream.send(decide(rows["a-forged"], "release"), kind="decision")
    stream.send(decide(rows["l-forged"], "correct", correction={"price": 1}), kind="decision")
    stream.run()
    assert not landed(stream)
    again = [(row["event_id"], row["generation"]) for row in stream.rows("silver.quarantine")]
    assert sorted(again) == [(name, nth) for name in ("a-forged", "l-forged") for nth in (0, 1)]


def test_release_of_a_signed_alert_with_another_fault_makes_it_count(stream: Stream):
    (alert, _) = acts("own").values()
    stream.send(alert.replace(b'"garam"', b'"tidak ada"'), kind="alert")
    stream.run()
    (row,) = stream.rows("silver.quarantine")
    stream.send(decide(row, "correct", correction={"commodity": "garam"}), kind="decision")
    stream.run()
    assert landed(stream) == {"a-own"}


def test_unsigned_alerts_and_entries_of_an_older_home_stay_valid_when_silver_is_rebuilt(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LUMBUNG_ACTS_SIGNED_SINCE", "2100-01-01T00:00:00Z")
    send_acts(stream, "old", unsigned)
    stream.run()
    monkeypatch.setenv("LUMBUNG_ACTS_SIGNED_SINCE", datetime.now(UTC).isoformat())
    send_acts(stream, "new", unsigned)
    stream.run()
    assert landed(stream) == {"a-old", "l-old"}
    rebuild_everything()
    assert landed(stream) == {"a-old", "l-old"}
    assert set(stream.quarantine()) == {(f"{letter}-new", rule) for letter, rule in LETTERS.items()}


@pytest.mark.parametrize("keys", ["", " , ", "short", f"{DECISION_KEY},short"])
def test_missing_or_short_key_is_refused_with_the_remedy(keys: str, lone_home, monkeypatch) -> None:
    monkeypatch.setenv("LUMBUNG_DECISION_KEYS", keys)
    with pytest.raises(Refused, match=r"LUMBUNG_DECISION_KEYS.*\./run\.sh setup"):
        signing_keys()


def test_time_of_the_first_signature_needs_its_offset(lone_home, monkeypatch) -> None:
    monkeypatch.setenv("LUMBUNG_ACTS_SIGNED_SINCE", "2026-03-01T00:00:00")
    with pytest.raises(Refused, match="LUMBUNG_ACTS_SIGNED_SINCE"):
        signing_keys()
    monkeypatch.setenv("LUMBUNG_ACTS_SIGNED_SINCE", "")
    assert signing_keys().signed_since == {}


def test_stream_without_keys_is_refused_and_leaves_no_process(home: Path):
    environment = {**os.environ, "LUMBUNG_DECISION_KEYS": ""}
    command = [sys.executable, "-m", "streaming_jobs.run", "--once"]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 5, done.stderr
    assert "the stream does not start:\nLUMBUNG_DECISION_KEYS" in done.stderr
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(home) in command]
    assert not (home / "lake").exists()
