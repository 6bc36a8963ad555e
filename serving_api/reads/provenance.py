"""Where the data of a response come from: table versions, rules in force, simulated data."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.contracts.contract import rule_set
from lakehouse.times import utc_text
from serving_api.http.cursors import TimeRange
from serving_api.reads.snapshots import Snapshot, Snapshots

SIMULATED = "sim-"  # prefix of the simulator's event ids


@cache
def current_rule_set() -> str:
    """Fingerprint of the rules and settings that this process was started with."""
    return rule_set(settings().rule_values())


def provenance(
    snapshots: Sequence[Snapshot],
    *,
    lag_seconds: float | None,
    request_id: str,
    rule_set: str | None = None,
    demo: bool = False,
    model: dict[str, Any] | None = None,
    times: TimeRange | None = None,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """The `meta` block: table versions, rules in force, model, and how fresh the tables are.

    `as_of`: the newest data behind the response, where that is not the newest time of the tables.
    """
    newest = [as_of] if as_of else [snapshot.newest for snapshot in snapshots if snapshot.newest]
    now = datetime.now(UTC)  # an operator may release an event that dates itself ahead of it
    return {
        "as_of": utc_text(min(max(newest), now)) if newest else None,
        "delta_version": {snapshot.table: snapshot.version for snapshot in snapshots},
        "rule_set": rule_set,
        "model": model,
        "lag_seconds": lag_seconds,
        "demo_data": demo,
        "range": times.as_meta() if times else None,
        "request_id": request_id,
    }


def simulated_rows(snapshot: Snapshot, columns: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """`columns` of the rows that the simulator reported, of a table held in memory."""

    def search() -> frozenset[tuple[str, ...]]:
        rows = snapshot.rows.filter(pc.starts_with(snapshot.rows["event_id"], SIMULATED))
        return frozenset(zip(*(rows[name].to_pylist() for name in columns), strict=True))

    return snapshot.cached(("simulated", *columns), search)


def from_simulated(snapshots: Snapshots, commodities: Iterable[str]) -> bool:
    """Whether simulated prices are among those of these commodities, which forecasts are made from."""
    simulated = simulated_rows(snapshots["gold.live_prices"], ["commodity"])
    return any((commodity,) in simulated for commodity in commodities)
