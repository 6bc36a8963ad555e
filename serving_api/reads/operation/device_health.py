"""What devices sent: their last event, silence, counts of a day, and trust, from gold."""

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from serving_api.reads.responses import to_json_value
from serving_api.reads.snapshots import Snapshot, Snapshots

DAY = timedelta(hours=24)
TRUST_WINDOW = timedelta(days=90)
SILENT_WITHOUT_CADENCE = timedelta(days=3)
COUNTS = ("accepted", "quarantined")


def tables_of_health(snapshots: Snapshots) -> list[Snapshot]:
    """The snapshots that `device_health` reads."""
    return [snapshots["gold.device_health"], snapshots.open_newest("gold.silent_series")]


def device_health(tables: list[Snapshot], markets_of: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Device id -> its figures. `markets_of`: market of each device. Call it in a thread: it reads files."""
    if not markets_of:
        return {}
    now = datetime.now(UTC)
    hours = _hours(tables[0], markets_of.keys(), now)
    silent = _silent(tables[1], markets_of)
    return {
        device_id: _figures(hours.get(device_id, []), silent.get(device_id), now) for device_id in markets_of
    }


def _hours(table: Snapshot, device_ids: Collection[str], now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Device id -> its rows of 90 days."""
    wanted = pc.field("device_id").isin(sorted(device_ids)) & (pc.field("hour") > now - TRUST_WINDOW)
    hours: dict[str, list[dict[str, Any]]] = {}
    for row in table.read(wanted).to_pylist():
        hours.setdefault(row["device_id"], []).append(row)
    return hours


def _silent(table: Snapshot, markets_of: dict[str, str]) -> dict[str, bool]:
    """Device id -> whether it is silent against its own cadence, of devices that have one."""
    hashes = {_hash(market_id, device_id): device_id for device_id, market_id in markets_of.items()}
    wanted = pc.field("series_id").isin(sorted(hashes)) & ~pc.field("replayed")
    columns = ["series_id", "silent", "cadence_seconds"]
    rows = table.read(wanted, columns).to_pylist()
    return {hashes[row["series_id"]]: row["silent"] for row in rows if row["cadence_seconds"] is not None}


def _hash(market_id: str, device_id: str) -> str:
    """`device_id_hash` of silver.sensors."""
    return hashlib.sha256(f"{market_id}|{device_id}".encode()).hexdigest()[:16]


def _figures(hours: list[dict[str, Any]], silent: bool | None, now: datetime) -> dict[str, Any]:
    """The figures of one device. `trust_score`: Laplace's rule of succession, None without an event."""
    times = [row["last_event_time"] for row in hours if row["last_event_time"] is not None]
    last = max(times, default=None)
    accepted, quarantined = (sum(row[name] for row in hours) for name in COUNTS)
    day = [row for row in hours if row["hour"] > now - DAY]
    total = accepted + quarantined
    is_old = last is not None and last < now - SILENT_WITHOUT_CADENCE
    return {
        "last_event_time": to_json_value(last),
        "silent": is_old if silent is None else silent,
        "accepted_24h": sum(row["accepted"] for row in day),
        "quarantined_24h": sum(row["quarantined"] for row in day),
        "trust_score": (1 + accepted) / (2 + total) if total else None,
    }
