"""`reconcile`: rows in = silver + quarantine + duplicates, counted in the tables themselves, and what Kafka still holds."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from lakehouse.contract import kinds
from scripts import positions, readiness
from scripts.tables import database, open_table


@dataclass(frozen=True)
class Balance:
    """Counts in events. `rows_in` = records in bronze; `lost` is what no other column accounts for."""

    kind: str
    rows_in: int
    silver: int
    quarantine: int
    duplicates: int
    lost: int


def balances() -> list[Balance]:
    """One balance per kind. All tables are read as of one finished batch."""
    silver = {kind: contract.table for kind, contract in kinds().items()}
    tables = ["bronze.events", "silver.quarantine", "gold.reviews", "gold.balance", *silver.values()]
    connection = database(tables, _settled_versions())
    rows_in = _counts(connection, "select kind, count(*) from bronze.events group by kind")
    # An event that came round again stands there once more (generation 1, 2 …); one that has landed since is in silver now.
    quarantine = _counts(connection, "select kind, count(*) from silver.quarantine where generation = 0 group by kind")
    landed_since = _counts(connection, "select kind, count(*) from gold.reviews where outcome = 'silver' group by kind")
    duplicates = _counts(connection, "select kind, sum(duplicates) from gold.balance group by kind")
    found = []
    for kind in sorted(rows_in.keys() | quarantine.keys() | duplicates.keys() | silver.keys()):
        taken = rows_in.get(kind, 0)
        landed = _counts(connection, f"select 1, count(distinct event_id) from {silver[kind]}")[1] if kind in silver else 0
        parts = (landed, quarantine.get(kind, 0) - landed_since.get(kind, 0), duplicates.get(kind, 0))
        found.append(Balance(kind, taken, *parts, lost=taken - sum(parts)))
    return found


def _counts(connection: Any, sql: str) -> dict[Any, int]:
    return {key: int(count) for key, count in connection.execute(sql).fetchall()}


def _settled_versions() -> dict[str, int] | None:
    """While a batch is under way: the versions that the last finished one left (its balance names them). Else None: newest."""
    said, books = readiness.progress(), open_table("gold.balance")
    if books is None or said is None or not psutil.pid_exists(said["pid"]) or not positions.under_way():
        return None
    tag = next((json.loads(commit["lumbung"]) for commit in books.history(100) if "lumbung" in commit), None)
    return {**tag["versions"], "gold.balance": books.version()} if tag else None


def total(parts: list[Balance]) -> Balance:
    """The sum over all kinds."""
    names = ("rows_in", "silver", "quarantine", "duplicates", "lost")
    return Balance("total", **{name: sum(getattr(part, name) for part in parts) for name in names})


def line(all_kinds: Balance) -> str:
    """The one line that the demo ends with."""
    return (
        f"IN={all_kinds.rows_in} SILVER={all_kinds.silver} QUARANTINE={all_kinds.quarantine} "
        f"DUP={all_kinds.duplicates} LOST={all_kinds.lost}"
    )


def reconcile() -> dict[str, Any]:
    """The whole verdict as one JSON-able object."""
    parts = balances()
    whole = total(parts)
    return {
        "balanced": all(part.lost == 0 for part in parts),
        "kinds": [asdict(part) for part in parts],
        "total": asdict(whole),
        "line": line(whole),
        "batch_under_way": positions.under_way(),
        "lag_events": positions.waiting(),
    }
