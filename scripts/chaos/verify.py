"""Compare the ledger with the tables as multisets, and gold with a recomputation in plain Python."""

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lakehouse.contract import kinds
from scripts.chaos.ledger import Entry
from scripts.tables import database

TABLES = (
    "bronze.events",
    "silver.prices",
    "silver.sensors",
    "silver.quarantine",
    "silver.stocks",
    "silver.shipments",
    "silver.listings",
    "silver.posts",
    "silver.weather",
    "silver.macro",
    "silver.bars",
    "silver.decisions",
    "gold.reviews",
    "gold.live_prices",
    "gold.daily_prices",
    "gold.price_history",
)
METRICS = ("temperature_c", "humidity_pct", "crowd_count")
NAMED = 5  # differing ids told per finding
Row = dict[str, Any]


def differences(entries: list[Entry], root: str) -> list[str]:
    """A sentence per kind of difference, each naming the first ids; empty when all is as planned."""
    lake = database(TABLES, root=root)

    def rows(sql: str) -> list[Row]:
        answer = lake.sql(sql)
        return [dict(zip(answer.columns, values, strict=True)) for values in answer.fetchall()]

    prices = rows("select * from silver.prices")
    found = _landed(entries, prices, rows("select event_id, metric, value from silver.sensors"))
    found += _other_kinds(entries, rows)
    found += _quarantined(entries, rows("select event_id, reasons from silver.quarantine where kind = 'price'"))
    found += _decided(entries, rows("select event_id, state, outcome from gold.reviews"))
    found += _bytes(entries, rows("select event_id, value from bronze.events where kind <> 'decision'"))
    found += _same(
        "gold.price_history", Counter(row["event_id"] for row in prices), _ids(rows("select event_id from gold.price_history"))
    )
    found += _equal(
        "gold.live_prices", live_prices(prices), rows("select * from gold.live_prices"), ("market_id", "commodity", "channel")
    )
    key = ("commodity", "region_code", "channel", "level", "market_date")
    return found + _equal("gold.daily_prices", daily_prices(prices), rows("select * from gold.daily_prices"), key)


def _ids(rows: Iterable[Row]) -> Counter[Any]:
    return Counter(row["event_id"] for row in rows)


def _same(what: str, planned: Counter[Any], there: Counter[Any]) -> list[str]:
    """Lost and surplus members of a multiset."""
    lost, surplus = planned - there, there - planned
    found = [f"{what}: {lost.total()} missing, first {sorted(map(str, lost))[:NAMED]}"] if lost else []
    return found + ([f"{what}: {surplus.total()} too many, first {sorted(map(str, surplus))[:NAMED]}"] if surplus else [])


def _landed(entries: list[Entry], prices: list[Row], readings: list[Row]) -> list[str]:
    good = [entry for entry in entries if entry.verdict == "silver"]
    planned = Counter((e.event_id, e.landed["price"]) for e in good if e.kind == "price")
    found = _same("silver.prices", planned, Counter((row["event_id"], row["price_idr"]) for row in prices))
    metrics = Counter((e.event_id, m, float(e.fields[m])) for e in good if e.kind == "sensor" for m in METRICS if m in e.fields)
    return found + _same("silver.sensors", metrics, Counter((row["event_id"], row["metric"], row["value"]) for row in readings))


def _other_kinds(entries: list[Entry], rows: Callable[[str], list[Row]]) -> list[str]:
    found = []
    for kind, contract in kinds().items():
        if kind not in ("price", "sensor") and contract.table in TABLES and kind != "decision":
            planned = Counter(entry.event_id for entry in entries if entry.kind == kind)
            found += _same(contract.table, planned, _ids(rows(f"select event_id from {contract.table}")))
    return found


def _decided(entries: list[Entry], rows: list[Row]) -> list[str]:
    """Each planned decision counts once, with what had to become of it."""
    states = {"release": ("released", "silver"), "correct": ("corrected", "silver"), "reject": ("rejected", "closed")}
    planned = Counter((entry.event_id, *states[entry.decision]) for entry in entries if entry.decision)
    return _same("gold.reviews", planned, Counter((row["event_id"], row["state"], row["outcome"]) for row in rows))


def _quarantined(entries: list[Entry], rows: list[Row]) -> list[str]:
    """One row an event with its planned rule alone; beside it only rules by history, which depend on what had landed before."""
    by_history = {rule.name for rule in kinds()["price"].rules if rule.reads == "stream"}
    planned = {e.event_id: e.reason for e in entries if e.reason}
    told: Counter[tuple[str, str | None]] = Counter()
    for row in rows:
        errors = [reason["rule"] for reason in row["reasons"] if reason["severity"] == "error"]
        own = [rule for rule in errors if rule not in by_history or rule == planned.get(row["event_id"])]
        told[row["event_id"], ",".join(own)] += 1
    return _same("silver.quarantine", Counter(planned.items()), told)


def _bytes(entries: list[Entry], rows: list[Row]) -> list[str]:
    """Every event is in bronze at least once, and every copy is what was sent: byte by byte, for csv field by field."""
    planned, seen, changed = {entry.event_id: entry for entry in entries}, set(), []
    for row in rows:
        entry = planned.get(row["event_id"])
        seen.add(row["event_id"])
        if entry is None or not _as_sent(entry, bytes(row["value"])):
            changed.append(row["event_id"])
    missing = sorted(planned.keys() - seen)
    found = [f"bronze.events: {len(missing)} events missing, first {missing[:NAMED]}"] if missing else []
    return found + ([f"bronze.events: {len(changed)} records are not what was sent, first {changed[:NAMED]}"] if changed else [])


def _as_sent(entry: Entry, value: bytes) -> bool:
    if entry.door != "csv":
        return value == entry.payload.encode()
    sent, got = entry.fields, json.loads(value)
    return {**got, "event_id": entry.event_id} == sent


def live_prices(prices: list[Row]) -> list[Row]:
    """The newest price of each series and the last one of the nearest earlier market day, written without SQL."""
    series: dict[tuple[str, ...], dict[Any, Row]] = defaultdict(dict)
    for row in sorted(prices, key=lambda row: (row["event_time"], row["event_id"])):
        series[row["market_id"], row["commodity"], row["channel"]][row["market_date"]] = row  # the last of each day stays
    found = []
    for days in series.values():
        newest, *earlier = sorted(days.values(), key=lambda row: row["market_date"], reverse=True)
        before = earlier[0] if earlier else None
        found.append(
            {
                name: newest[name]
                for name in ("market_id", "commodity", "channel", "price_idr", "unit", "event_time", "market_date", "event_id")
            }
            | {f"previous_{name}": before[name] if before else None for name in ("price_idr", "event_id", "market_date")}
            | {"change_pct": 100 * (newest["price_idr"] / before["price_idr"] - 1) if before else None}
        )
    return found


def daily_prices(prices: list[Row]) -> list[Row]:
    """min, median, mean, max, count and markets per commodity, province, channel, level and market day."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    key = ("commodity", "region_code", "channel", "level", "market_date")
    for row in prices:
        groups[tuple(row[name] for name in key)].append(row)
    found = []
    for values, members in groups.items():
        paid = [row["price_idr"] for row in members]
        sums = {
            "min_price_idr": min(paid),
            "median_price_idr": statistics.median(paid),
            "mean_price_idr": math.fsum(paid) / len(paid),
            "max_price_idr": max(paid),
            "observations": len(paid),
            "markets": len({row["market_id"] for row in members}),
        }
        found.append(dict(zip(key, values, strict=True)) | sums)
    return found


def _equal(what: str, wanted: list[Row], there: list[Row], key: tuple[str, ...]) -> list[str]:
    """Same keys, and on each key the same values in the columns that were recomputed."""
    expected = {tuple(row[name] for name in key): row for row in wanted}
    found = _same(what, Counter(expected.keys()), Counter(tuple(row[name] for name in key) for row in there))
    wrong = [at for row in there if (at := tuple(row[n] for n in key)) in expected and not _agree(expected[at], row)]
    return found + (
        [f"{what}: {len(wrong)} rows differ from the recomputation, first {[str(at) for at in wrong[:NAMED]]}"] if wrong else []
    )


def _agree(expected: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    for name, value in expected.items():
        if isinstance(value, float) and row[name] is not None:
            if not math.isclose(value, row[name], rel_tol=1e-9, abs_tol=1e-9):
                return False
        elif row[name] != value:
            return False
    return True
