"""Where the data of a response come from: table versions, rules in force, simulated data."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypedDict, Unpack

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


class About(TypedDict, total=False):
    """What a response may be about besides its tables.

    `as_of`: the newest data behind the response, where that is not the newest time of the tables.
    """

    rule_set: str | None
    demo: bool
    model: dict[str, Any] | None
    times: TimeRange | None
    as_of: datetime | None


def provenance(
    snapshots: Sequence[Snapshot], *, lag_seconds: float | None, request_id: str, **about: Unpack[About]
) -> dict[str, Any]:
    """The `meta` block: table versions, rules in force, model, and how fresh the tables are."""
    as_of, times = about.get("as_of"), about.get("times")
    newest = [as_of] if as_of else [snapshot.newest for snapshot in snapshots if snapshot.newest]
    now = datetime.now(UTC)  # an operator may release an event that dates itself ahead of it
    return {
        "as_of": utc_text(min(max(newest), now)) if newest else None,
        "delta_version": {snapshot.table: snapshot.version for snapshot in snapshots},
        "rule_set": about.get("rule_set"),
        "model": about.get("model"),
        "lag_seconds": lag_seconds,
        "demo_data": about.get("demo", False),
        "range": times.as_meta() if times else None,
        "request_id": request_id,
    }


def model_meta(
    name: str,
    version: str,
    alias: str,
    trained_on: dict[str, int] | None = None,
    run_id: str = "none",
    **more: str | None,
) -> dict[str, Any]:
    """The `model` of a `meta` block. `trained_on`: table -> version; `more`: such as the reason."""
    model = {"name": name, "version": version, "run_id": run_id, "alias": alias}
    return model | {"trained_on": trained_on or {}} | more


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
