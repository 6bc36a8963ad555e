"""`status` shows what is, not what a killed process wrote last."""

import io
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from producers.csv.folder_watch import refuse
from producers.csv.landing import Landing
from scripts.commands.status import refused_files
from scripts.commands.status_text import show
from scripts.stack.services import SERVICES
from tests.support.query_lake import Lake

LONG_AGO = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
STREAM = {
    "stream_id": "s",
    "batch_id": 18,
    "batch_seconds": 0.5,
    "batch_rows": 6,
    "lag_events": 0,
    "positions": {},
    "rows_total": {},
}


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def stream_line(home: Path, status: dict[str, Any]) -> str:
    write_status(home / "state" / "progress.json", STREAM | status)
    lines = Lake(home).run("status").stdout.splitlines()
    (line,) = [" ".join(line.split()) for line in lines if line.startswith("stream ") and "events" in line]
    return line


@pytest.mark.parametrize(("state", "shown"), [("running", "not running"), ("stopped", "stopped")])
def test_stream_without_its_process_is_not_running(tmp_path: Path, state: str, shown: str):
    line = stream_line(tmp_path, {"pid": ended_pid(), "state": state})
    assert line.startswith(f"stream {shown}, events waiting: ") and "; batch 18 (6 rows in 0.5 s), " in line


def test_stream_with_its_process_is_running(tmp_path: Path):
    assert stream_line(tmp_path, {"pid": os.getpid(), "state": "running"}).startswith("stream running, ")


def test_stream_that_has_just_started_has_no_batch(tmp_path: Path):
    nothing = {"batch_id": None, "batch_seconds": None, "batch_rows": 0}
    line = stream_line(tmp_path, {"pid": os.getpid(), "state": "running"} | nothing)
    assert line.startswith("stream running, ") and "; no batch yet, 0 s ago" in line


def test_pid_of_a_later_process_is_not_the_streams(tmp_path: Path):
    write_status(tmp_path / "state" / "progress.json", STREAM | {"pid": os.getpid(), "state": "running"})
    file = tmp_path / "state" / "progress.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"updated_at": "2026-01-01T00:00:00Z"}))
    assert json.loads(Lake(tmp_path).start("status", "--json").stdout)["stream"]["state"] == "not running"


def test_names_of_tables_and_what_waits_for_a_person_are_shown(tmp_path: Path):
    lake = Lake(tmp_path)
    lake.write("silver.quarantine", [{"event_id": f"q{number}", "reasons": []} for number in range(3)])
    lake.write("gold.reviews", [{"event_id": "q0"}])
    market = {"series_kind": "market", "last_event_time": LONG_AGO, "cadence_seconds": 900.0}
    lake.write("gold.silent_series", [{**market, "series_id": name, "replayed": False} for name in "ab"])
    lake.write("gold.markets", [{"market_id": "PASAR-001"}])
    (tmp_path / "lake" / "gold" / "markets" / "_delta_log" / f"{0:020}.json").write_bytes(b"no commit")
    lines = lake.run("status", "--all").stdout.splitlines()
    shown = " ".join(" ".join(lines).split())
    assert "quarantine 2 events wait for a decision: ./run.sh quarantine list" in shown
    assert (
        "silence: most of the 2 markets and devices that used to report are silent, the newest event" in shown
    )
    assert "2026-01-02T03:04 remedy: check what sends" in shown
    (damaged,) = [line for line in lines if line.startswith("gold.markets ")]
    assert "./run.sh doctor names the remedy" in damaged
    assert {name for name in contracts() if not any(line.startswith(f"{name} ") for line in lines)} == set()


def test_refused_files_of_the_landing_folder_are_counted_with_the_newest_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(settings(), "home", tmp_path)
    landing = Landing(settings().landing_dir, 0)
    assert refused_files() is None
    for name in ("first.csv", "rest.csv"):
        (settings().landing_dir / name).write_text("1;2;3\n")
        refuse(settings().landing_dir / name, landing, f"unknown header of {name}\nknown formats are …")
    os.utime(next(tmp_path.rglob("first.csv.reason.txt")), (1, 1))
    assert refused_files() == {"files": 2, "newest": "rest.csv", "reason": "unknown header of rest.csv"}


def report(**changed: Any) -> dict[str, Any]:
    """A report of a stack with every service, and all lines that the screen can have."""
    names = [service.name for service in SERVICES]
    service = {"state": "ready", "pid": 1, "uptime_seconds": 7300.0, "rss_mb": 250.4, "restarts": 0}
    process = {"state": "running", "rounds": 3, "updated_at": "2026-01-01T00:00:00Z"}
    source = {"events": 3, "failure": None, "unknown_fields": [], "last_success_at": None}
    table = {"table": "gold.markets", "version": 1, "rows": 2, "files": 1, "newest": None}
    return {
        "problems": [],
        "services": [service | {"name": name} for name in names],
        "stream": STREAM | process,
        "lag_events": 12_345,
        "background_gold": process | {"jobs": {"ledger": {"failure": None, "seconds": 0.2}}},
        "trainer": process | {"round": None, "failure": None},
        "alert_worker": process | {"deliveries": {"telegram": {"mock": 12}, "whatsapp": {"summed": 3}}},
        "collectors": process | {"sources": dict.fromkeys(("rss", "bmkg", "imf"), source)},
        "quarantine_open": 136,
        "api": "http://127.0.0.1:8000",
        "home": "/srv/" + "a-long-path/" * 12,
        "tables": [table | {"fault": None, "age_seconds": 190_000.0}] * 70,
        **changed,
    }


def screen(shown: dict[str, Any], colours: bool = False, **options: bool) -> str:
    """What a terminal of 80 columns gets."""
    out = io.StringIO()
    show(shown, Console(file=out, width=80, force_terminal=colours, highlight=False, markup=False), **options)
    return out.getvalue()


def test_status_is_one_screen_that_states_whether_all_is_fine() -> None:
    lines = screen(report()).splitlines()
    assert lines[0] == "all fine" and len(lines) <= 24 and max(map(len, lines)) <= 80
    assert "2 h" in " ".join(lines) and "newest commit 2 days ago" in " ".join(lines)
    assert "gold.markets" not in " ".join(lines)
    assert "gold.markets" in screen(report(), everything=True)


def test_status_names_what_is_not_fine_with_its_remedy_on_one_screen() -> None:
    faults = [{"name": f"f{n}", "detail": "broken " * 30, "remedy": f"./run.sh logs f{n}"} for n in range(9)]
    lines = screen(report(problems=faults)).splitlines()
    assert lines[0] == "not fine: 9" and len(lines) <= 24 and max(map(len, lines)) <= 80
    assert "    remedy: ./run.sh logs f2" in lines and "  and 6 more" in lines
    everything = screen(report(problems=faults), everything=True)
    assert "remedy: ./run.sh logs f8" in everything and " ".join(everything.split()).count("broken") == 270


def test_status_is_coloured_on_a_terminal_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;32m" in screen(report(), colours=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", screen(report(), colours=True))


def test_stack_that_does_not_run_is_one_problem_with_its_remedy(tmp_path: Path) -> None:
    done = Lake(tmp_path).run("status", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["problems"] == [
        {"name": "stack", "detail": "no service runs", "remedy": "./run.sh up"}
    ]


def test_watch_shows_the_status_again_until_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = iter([None, KeyboardInterrupt])

    def wait(seconds: float) -> None:
        if error := next(waits):
            raise error

    monkeypatch.setattr("scripts.commands.status.time", SimpleNamespace(sleep=wait, time=time.time))
    done = Lake(tmp_path).run("status", "--watch")
    assert done.stdout.count("no service runs") == 2
    assert Lake(tmp_path).run("status", "--watch", "--json").returncode == 2
