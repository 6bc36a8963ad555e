"""`status` shows what is, not what a killed process wrote last."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from producers.csv.folder_watch import refuse
from producers.csv.landing import Landing
from scripts.commands.status import refused_files
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
    shown = " ".join(Lake(home).run("status").stdout.split())
    return shown[shown.index("stream: ") :]


@pytest.mark.parametrize(("state", "shown"), [("running", "not running"), ("stopped", "stopped")])
def test_stream_without_its_process_is_not_running(tmp_path: Path, state: str, shown: str):
    line = stream_line(tmp_path, {"pid": ended_pid(), "state": state})
    assert line.startswith(f"stream: {shown}, last batch 18 ")


def test_stream_with_its_process_is_running(tmp_path: Path):
    assert stream_line(tmp_path, {"pid": os.getpid(), "state": "running"}).startswith("stream: running, ")


def test_stream_that_has_just_started_has_no_batch(tmp_path: Path):
    nothing = {"batch_id": None, "batch_seconds": None, "batch_rows": 0}
    line = stream_line(tmp_path, {"pid": os.getpid(), "state": "running"} | nothing)
    assert line.startswith("stream: running, no batch yet, updated ")


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
    lines = lake.run("status").stdout.splitlines()
    shown = " ".join(" ".join(lines).split())
    assert "quarantine: 2 events wait for a decision; ./run.sh quarantine list" in shown
    assert (
        "silence: most of the 2 markets and devices that used to report are silent, the newest event" in shown
    )
    assert "2026-01-02T03:04" in shown
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
