"""Which series of gold.silent_series are the simulator's, and which of them ended when it stopped."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lakehouse.silence import COLUMNS, patience_of, total_silence
from lakehouse.times import utc_text
from serving_api.reads.provenance import SIMULATED
from serving_api.reads.snapshots import Snapshot, Snapshots

TABLE = "gold.silent_series"
SIMULATED_IN = ("gold.live_prices", "gold.sensors_live")
Series = tuple[str, str]  # kind and id


def simulated_series(snapshots: Snapshots) -> frozenset[Series]:
    """The series whose newest event comes from the simulator."""
    prices, sensors = (snapshots[table] for table in SIMULATED_IN)
    markets = {("market", name) for name in newest_simulated(prices, "market_id")}
    devices = {("device", name) for name in newest_simulated(sensors, "device_id_hash")}
    return frozenset(markets | devices)


def newest_simulated(snapshot: Snapshot, column: str) -> frozenset[str]:
    """Names in a column whose newest event the simulator sent, of a table held in memory."""

    def search() -> frozenset[str]:
        rows = snapshot.rows.select([column, "event_time", "event_id"]).sort_by("event_time")
        newest = dict(zip(rows[column].to_pylist(), rows["event_id"].to_pylist(), strict=True))
        return frozenset(name for name, event_id in newest.items() if (event_id or "").startswith(SIMULATED))

    return snapshot.cached(("newest simulated", column), search)


def rhythms(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Kind, id and rhythm of every series."""
    columns = ["series_kind", "series_id", *COLUMNS]
    rows: list[dict[str, Any]] = snapshot.cached("rhythms", lambda: snapshot.read(None, columns).to_pylist())
    return rows


def ended_series(snapshot: Snapshot, simulated: frozenset[Series]) -> frozenset[Series]:
    """The simulated series that had a rhythm and kept it until the last simulated event of their kind."""
    rows = [row for row in rhythms(snapshot) if not row["replayed"] and key_of(row) in simulated]
    stopped: dict[str, datetime] = {}
    for row in rows:
        kind = row["series_kind"]
        stopped[kind] = max(row["last_event_time"], stopped.get(kind, row["last_event_time"]))
    return frozenset(
        key_of(row)
        for row in rows
        if row["cadence_seconds"] is not None
        and stopped[row["series_kind"]] - row["last_event_time"] <= patience_of(row)
    )


def read_silence(snapshots: Snapshots) -> dict[str, Any] | None:
    """Since when nothing reports, of how many series that used to; None while one of them does.

    The simulator's series are left out: it stops when it has sent what it was to send.
    """
    simulated = simulated_series(snapshots)
    rows = [row for row in rhythms(snapshots.open_newest(TABLE)) if key_of(row) not in simulated]
    silence = total_silence(rows, datetime.now(UTC))
    return {"since": utc_text(silence.since), "series": silence.series} if silence else None


def key_of(row: Mapping[str, Any]) -> Series:
    """Kind and id."""
    return row["series_kind"], row["series_id"]
