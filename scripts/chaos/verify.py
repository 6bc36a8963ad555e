"""Compare the plan with the tables as multisets, and gold with a recomputation in plain Python."""

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lakehouse.contracts.contract import kinds
from lakehouse.io.query import lake_database
from scripts.chaos.plan import KINDS_OF_DOOR, Entry

OTHER_KINDS = sorted({*KINDS_OF_DOOR["http"]} - {"sensor"})  # of which only the ids are compared
TABLES = (
    "bronze.events",
    "silver.quarantine",
    *(kinds()[kind].table for kind in ("price", "sensor", *OTHER_KINDS)),
    "gold.reviews",
    "gold.live_prices",
    "gold.daily_prices",
    "gold.price_history",
)
LIVE_KEY = ("market_id", "commodity", "channel", "provider")
DAILY_KEY = ("commodity", "region_code", "channel", "level", "provider", "market_date")
METRICS = ("temperature_c", "humidity_pct", "crowd_count")
NAMED = 5  # ids named per difference
LIVE_COLUMNS = (*LIVE_KEY, "price_idr", "unit", "event_time", "market_date", "event_id")
PREVIOUS_COLUMNS = ("price_idr", "event_id", "market_date")
Row = dict[str, Any]


def differences(entries: list[Entry], root: str) -> list[str]:
    """A sentence per kind of difference, naming the first ids; empty when all is as planned."""
    lake = lake_database(TABLES, root=root)

    def rows(sql: str) -> list[Row]:
        relation = lake.sql(sql)
        return [dict(zip(relation.columns, values, strict=True)) for values in relation.fetchall()]

    prices = rows("select * from silver.prices")
    return [
        *_landed(entries, prices, rows("select event_id, metric, value from silver.sensors")),
        *_other_kinds(entries, rows),
        *_quarantined(entries, rows("select event_id, reasons from silver.quarantine where kind = 'price'")),
        *_decided(entries, rows("select event_id, state, outcome from gold.reviews")),
        *_bytes(entries, rows("select event_id, value from bronze.events where kind <> 'decision'")),
        *_same("gold.price_history", _ids(prices), _ids(rows("select event_id from gold.price_history"))),
        *_equal("gold.live_prices", live_prices(prices), rows("select * from gold.live_prices"), LIVE_KEY),
        *_equal(
            "gold.daily_prices", daily_prices(prices), rows("select * from gold.daily_prices"), DAILY_KEY
        ),
    ]


def _ids(rows: Iterable[Row]) -> Counter[Any]:
    return Counter(row["event_id"] for row in rows)


def _same(table: str, planned: Counter[Any], actual: Counter[Any]) -> list[str]:
    """Missing and surplus members of a multiset."""
    counts = {"missing": planned - actual, "too many": actual - planned}
    return [
        f"{table}: {members.total()} {name}, first {sorted(map(str, members))[:NAMED]}"
        for name, members in counts.items()
        if members
    ]


def _landed(entries: list[Entry], prices: list[Row], readings: list[Row]) -> list[str]:
    expected = [entry for entry in entries if entry.verdict == "silver"]
    planned = Counter((entry.event_id, entry.landed["price"]) for entry in expected if entry.kind == "price")
    metrics = Counter(
        (entry.event_id, metric, float(entry.fields[metric]))
        for entry in expected
        if entry.kind == "sensor"
        for metric in METRICS
        if metric in entry.fields
    )
    actual = Counter((row["event_id"], row["metric"], row["value"]) for row in readings)
    return [
        *_same("silver.prices", planned, Counter((row["event_id"], row["price_idr"]) for row in prices)),
        *_same("silver.sensors", metrics, actual),
    ]


def _other_kinds(entries: list[Entry], rows: Callable[[str], list[Row]]) -> list[str]:
    differing = []
    for kind in OTHER_KINDS:
        table = kinds()[kind].table
        planned = Counter(entry.event_id for entry in entries if entry.kind == kind)
        differing += _same(table, planned, _ids(rows(f"select event_id from {table}")))
    return differing


def _decided(entries: list[Entry], rows: list[Row]) -> list[str]:
    """Each planned decision counts once, with the planned state and outcome."""
    states = {
        "release": ("released", "silver"),
        "correct": ("corrected", "silver"),
        "reject": ("rejected", "closed"),
    }
    planned = Counter((entry.event_id, *states[entry.decision]) for entry in entries if entry.decision)
    return _same(
        "gold.reviews", planned, Counter((row["event_id"], row["state"], row["outcome"]) for row in rows)
    )


def _quarantined(entries: list[Entry], rows: list[Row]) -> list[str]:
    """One row per event with its planned rule. Rules on history may add to it: they depend on the order."""
    by_history = {rule.name for rule in kinds()["price"].rules if rule.reads == "stream"}
    planned = {e.event_id: e.reason for e in entries if e.reason}
    actual: Counter[tuple[str, str | None]] = Counter()
    for row in rows:
        errors = [reason["rule"] for reason in row["reasons"] if reason["severity"] == "error"]
        own = [rule for rule in errors if rule not in by_history or rule == planned.get(row["event_id"])]
        actual[row["event_id"], ",".join(own)] += 1
    return _same("silver.quarantine", Counter(planned.items()), actual)


def _bytes(entries: list[Entry], rows: list[Row]) -> list[str]:
    """Every event is in bronze, and every copy is as it was sent: byte by byte, for csv field by field."""
    planned = {entry.event_id: entry for entry in entries}
    seen = set()
    changed = []
    for row in rows:
        entry = planned.get(row["event_id"])
        seen.add(row["event_id"])
        if entry is None or not _as_sent(entry, bytes(row["value"])):
            changed.append(row["event_id"])
    missing = sorted(planned.keys() - seen)
    texts = {
        f"{len(missing)} events missing": missing,
        f"{len(changed)} records are not what was sent": changed,
    }
    return [f"bronze.events: {text}, first {ids[:NAMED]}" for text, ids in texts.items() if ids]


def _as_sent(entry: Entry, value: bytes) -> bool:
    if entry.door != "csv":
        return value == entry.payload.encode()
    sent, got = entry.fields, json.loads(value)
    return {**got, "event_id": entry.event_id} == sent


def live_prices(prices: list[Row]) -> list[Row]:
    """The newest price of each series and the last one of the nearest earlier market day, without SQL."""
    series: dict[tuple[str, ...], dict[Any, Row]] = defaultdict(dict)
    for row in sorted(prices, key=lambda row: (row["event_time"], row["event_id"])):
        # The last price of each day remains.
        series[_key(row, LIVE_KEY)][row["market_date"]] = row
    return [_live_price(days) for days in series.values()]


def _live_price(days: Mapping[Any, Row]) -> Row:
    newest, *earlier = sorted(days.values(), key=lambda row: row["market_date"], reverse=True)
    before = earlier[0] if earlier else None
    change = 100 * (newest["price_idr"] / before["price_idr"] - 1) if before else None
    return (
        {name: newest[name] for name in LIVE_COLUMNS}
        | {f"previous_{name}": before[name] if before else None for name in PREVIOUS_COLUMNS}
        | {"change_pct": change}
    )


def daily_prices(prices: list[Row]) -> list[Row]:
    """min, median, mean, max, count and markets per commodity, province, channel, level, provider and day."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in prices:
        groups[_key(row, DAILY_KEY)].append(row)
    return [dict(zip(DAILY_KEY, values, strict=True)) | _statistics(rows) for values, rows in groups.items()]


def _key(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _statistics(rows: list[Row]) -> Row:
    values = [row["price_idr"] for row in rows]
    return {
        "min_price_idr": min(values),
        "median_price_idr": statistics.median(values),
        "mean_price_idr": math.fsum(values) / len(values),
        "max_price_idr": max(values),
        "observations": len(values),
        "markets": len({row["market_id"] for row in rows}),
    }


def _equal(table: str, recomputed: list[Row], rows: list[Row], key: tuple[str, ...]) -> list[str]:
    """Same keys, and on each key the same values in the columns that were recomputed."""
    expected = {_key(row, key): row for row in recomputed}
    actual = [(_key(row, key), row) for row in rows]
    differing = _same(table, Counter(expected.keys()), Counter(values for values, _ in actual))
    wrong = [
        str(values) for values, row in actual if values in expected and not _agree(expected[values], row)
    ]
    if wrong:
        differing.append(f"{table}: {len(wrong)} rows differ from the recomputation, first {wrong[:NAMED]}")
    return differing


def _agree(expected: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return all(
        math.isclose(value, row[name], rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(value, float) and row[name] is not None
        else row[name] == value
        for name, value in expected.items()
    )
