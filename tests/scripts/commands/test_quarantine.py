"""`quarantine` with a running API, and its exit codes."""

import io
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from scripts.bench.api_lake import write
from scripts.commands.quarantine import show_rows
from scripts.stack.throwaway import Stack
from tests.conftest import Broker
from tests.support.api import ApiProcess, new_stack
from tests.support.query_lake import run_verb
from tests.support.served_lake import OTHER_RULE, quarantined

BROKEN = [{"rule": "payload_json", "severity": "error", "message": "payload is not one JSON object"}]
ROWS = [
    *(quarantined(number, event_id=f"salt-{number}") for number in range(3)),
    *(
        quarantined(number, event_id=f"warm-{number}", kind="sensor", commodity=None, reasons=OTHER_RULE)
        for number in range(3, 6)
    ),
    quarantined(6, event_id="odd:id-1", suggestion='{"price": 11500}', evidence='{"n": 40}'),
    quarantined(7, event_id="last"),
    quarantined(8, event_id="other", source="mqtt:DEV-9"),
    quarantined(9, event_id="broken", reasons=BROKEN),
]
LONG_ID = "u-" + "0123456789abcdef" * 5
ROWS_OF_API = {
    "kind": "price",
    "state": "open",
    "quarantined_at": "2026-01-02T03:04:05Z",
    "source": "mqtt:DEV-1",
    "market_id": "PASAR-001",
    "commodity": "cabai-rawit-merah",
    "subject": {"value": 250_000.0, "last_value": 61_000.0, "unit": "kg", "region": "Jawa Barat"},
    "reasons": [{"rule": "outlier_residual", "message": "far off"}],
}
REASON = ("--reason", "a test of the command")


@pytest.fixture(scope="module")
def desk(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    stack = new_stack(tmp_path_factory.mktemp("cli"), broker)
    write(stack.lake_root, "silver.quarantine", ROWS)
    running = ApiProcess(stack)
    yield stack
    assert running.stop() in (0, -signal.SIGTERM)


def run(stack: Stack, *words: str) -> tuple[int, Any, str]:
    """(exit code, JSON on stdout or its text, stderr)."""
    done = run_verb(stack.env, "quarantine", *words)
    return (
        done.returncode,
        orjson.loads(done.stdout) if done.stdout[:1] in "[{" and done.stdout else done.stdout,
        done.stderr,
    )


def console_of(out: io.StringIO, width: int) -> Console:
    """A terminal of this width."""
    return Console(file=out, width=width, highlight=False, markup=False, force_terminal=False)


def test_list_and_show(desk: Stack) -> None:
    code, rows, _ = run(desk, "list", "--json", "--kind", "sensor")
    assert code == 0 and [row["event_id"] for row in rows] == ["warm-3", "warm-4", "warm-5"]
    assert len(run(desk, "list", "--limit", "2", "--json")[1]) == 2
    code, text, _ = run(desk, "list", "--rule", "temperature_range")
    assert code == 0 and "warm-4" in text and "salt" not in text
    code, text, _ = run(desk, "show", "odd:id-1")
    assert (
        code == 0
        and 'suggestion: {"price":11500}' in text
        and "price_positive" in text
        and '{"price": -5}' in text
    )
    assert run(desk, "show", "none")[0] == 1
    assert run(desk, "list", "--kind", "gossip")[0] == 2


def test_list_never_cuts_an_id_and_has_what_a_decision_needs(desk: Stack) -> None:
    code, piped, _ = run(desk, "list", "--kind", "sensor")
    rows = [line for line in piped.splitlines() if "warm-" in line]
    assert code == 0 and len(rows) == 3 and all("temperature_range: 140 lies outside" in row for row in rows)
    assert all("PASAR-001" in row and "mqtt:DEV-1" in row and "ago" in row for row in rows)
    narrow = io.StringIO()
    show_rows([ROWS_OF_API | {"event_id": LONG_ID}], console_of(narrow, 60))
    lines = narrow.getvalue().splitlines()
    assert LONG_ID in lines and max(len(line) for line in lines if line != LONG_ID) <= 60
    shown = " ".join(narrow.getvalue().split())
    assert (
        "value: 250,000/kg" in shown and "last: 61,000/kg" in shown and "outlier_residual: far off" in shown
    )


def test_list_names_rows_left_out_and_unknown_filters(desk: Stack) -> None:
    code, text, messages = run(desk, "list", "--limit", "2", "--kind", "sensor")
    assert code == 0 and "2 of 3 rows" in messages and "mqtt:DEV-1" in text
    assert "rows;" not in run(desk, "list", "--kind", "sensor")[2]
    assert [row["event_id"] for row in run(desk, "list", "--json", "--source", "mqtt:DEV-9")[1]] == ["other"]
    code, _, messages = run(desk, "list", "--rule", "temperature_rang")
    assert code == 2 and "temperature_range" in messages
    code, _, messages = run(desk, "list", "--market", "PASAR-0001")
    assert code == 2 and "nearest: PASAR-001" in messages
    code, _, messages = run(desk, "list", "--state", "bogus")
    assert code == 2 and "corrected" in messages and "all" in messages


def test_release_of_an_unreadable_event_fails_with_the_reason(desk: Stack) -> None:
    code, _, messages = run(desk, "release", "broken", *REASON)
    assert code == 1 and "broken: not-releasable (payload is not one JSON object)" in messages


def test_second_decision_on_an_event_fails(desk: Stack) -> None:
    code, items, _ = run(desk, "release", "last", *REASON, "--json")
    assert code == 0 and items[0]["status"] == "accepted"
    code, _, messages = run(desk, "reject", "last", "none", *REASON)
    assert code == 1 and "last: already-decided" in messages and "none: not-found" in messages


def test_decision_by_filter_needs_yes(desk: Stack) -> None:
    code, _, messages = run(desk, "reject", "--kind", "sensor", *REASON)
    assert code == 2 and "3 open rows match" in messages and "--yes" in messages
    code, items, messages = run(desk, "reject", "--kind", "sensor", "--yes", "--json", *REASON)
    assert code == 0 and {item["status"] for item in items} == {"accepted"} and len(items) == 3


def test_correct_by_hand_and_by_suggestion(desk: Stack) -> None:
    assert run(desk, "correct", "salt-0", *REASON)[0] == 2
    assert run(desk, "correct", "salt-0", "--suggested", *REASON)[0] == 2, "there is none"
    assert run(desk, "correct", "salt-0", "--set", "prise=1", *REASON)[0] == 2
    code, receipt, _ = run(
        desk, "correct", "salt-0", "--set", "price=11500", "--set", "unit=kg", "--json", *REASON
    )
    assert code == 0 and receipt["decision"] == "correct"
    assert run(desk, "correct", "salt-0", "--set", "price=11500", *REASON)[0] == 1, "already decided"
    assert run(desk, "correct", "odd:id-1", "--suggested", *REASON)[0] == 0


def test_wrong_usage_and_no_service(desk: Stack, broker: Broker, tmp_path: Path) -> None:
    assert run(desk, "release", "salt-1")[0] == 2, "a reason is needed"
    assert run(desk, "release", "salt-1", "--reason", "no")[0] == 2, "a reason has five characters"
    assert run(desk, "release", *REASON)[0] == 2 and run(desk, "release", "x", "--rule", "y", *REASON)[0] == 2
    done = new_stack(tmp_path, broker).run("quarantine", "list")
    assert done.returncode == 4 and "./run.sh up" in done.stderr
