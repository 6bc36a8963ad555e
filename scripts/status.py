"""`status`: processes, lag, rows and freshness per table."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from conf.settings import settings
from lakehouse.contract import contracts
from scripts import ports, readiness, supervision
from scripts.positions import waiting
from scripts.tables import open_table

TIME_COLUMNS = ("ingested_at", "quarantined_at", "window_end", "event_time", "last_event_time")


@dataclass(frozen=True)
class Service:
    name: str
    state: str  # "ready", "starting" or "down"
    pid: int | None
    uptime_seconds: float | None
    rss_mb: float | None  # with its children


@dataclass(frozen=True)
class Table:
    table: str
    version: int | None  # None: no row yet
    rows: int
    files: int
    newest: str | None  # newest event or batch time, UTC
    age_seconds: float | None  # since the last commit


def services() -> list[Service]:
    """Every service of this home; without supervisord all are down."""
    now, found = supervision.processes(), []
    for name in supervision.services():
        info = now.get(name)
        if not info or not info["pid"]:
            found.append(Service(name, "down", None, None, None))
            continue
        ready = readiness.ready(name, info)
        rss = _rss(info["pid"])
        found.append(Service(name, "ready" if ready else "starting", info["pid"], info["now"] - info["start"], rss))
    return found


def _rss(pid: int) -> float | None:
    try:
        parent = psutil.Process(pid)
        return round(sum(p.memory_info().rss for p in (parent, *parent.children(recursive=True))) / 2**20, 1)
    except psutil.NoSuchProcess:
        return None


def tables() -> list[Table]:
    """Every table of the contracts, from its log alone (rows by file statistics)."""
    found = []
    for name in contracts():
        table = open_table(name)
        if table is None:
            found.append(Table(name, None, 0, 0, None, None))
            continue
        adds = table.get_add_actions(flatten=True)
        names = adds.schema.names
        rows = sum(value or 0 for value in adds["num_records"].to_pylist())
        newest = _newest(adds, names)
        commit = datetime.fromtimestamp(table.history(1)[0]["timestamp"] / 1000, UTC)
        age = (datetime.now(UTC) - commit).total_seconds()
        found.append(Table(name, table.version(), rows, adds.num_rows, newest, round(age, 1)))
    return found


def _newest(adds: Any, names: list[str]) -> str | None:
    for column in TIME_COLUMNS:
        if f"max.{column}" in names:
            times = [time for time in adds[f"max.{column}"].to_pylist() if time is not None]
            return max(times).isoformat() if times else None
    return None


def status() -> dict[str, Any]:
    """All of it as one JSON-able object; `ok` is false when a service is down."""
    said, parts = readiness.progress(), services()
    return {
        "ok": all(part.state == "ready" for part in parts),
        "home": str(settings().home),
        "api": readiness.api_url(),
        "services": [asdict(part) for part in parts],
        "stream": said,
        "heavy_gold": readiness.heavy_progress(),
        "trainer": readiness.trainer_progress(),
        "lag_events": waiting(),  # by Kafka: what the stream says of itself is as old as its last batch
        "ports": {what: ports.is_open(host, port) for what, (host, port) in ports.wanted().items()},
        "tables": [asdict(table) for table in tables()],
    }
