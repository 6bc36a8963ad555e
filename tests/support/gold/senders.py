"""Counts of batches and of who sent what, and fields that no contract names."""

import json
import random
from datetime import datetime, timedelta
from typing import Any

from conf.collected_sources import collected_sources
from lakehouse.contracts.contract import contracts
from streaming_jobs.gold.schema_drift import unknown_fields
from tests.support.gold.subject import BEGAN, Row, Tables
from tests.support.recomputed_gold import grouped


def quality_counts(rng: random.Random) -> dict[str, list[Row]]:
    """Counts of batches; some rows hold the rules that no event violated."""
    rows = []
    for _ in range(60):
        minutes = rng.randrange(400)
        row = {"table": "silver.prices", "kind": "price", "source": rng.choice(["api", "file"])}
        row |= {"rule_set": rng.choice("xy"), "evaluated": rng.randrange(9), "violated": 0, "rule": None}
        row |= {"window_end": BEGAN + timedelta(minutes=minutes), "severity": None, "unviolated": None}
        if rng.random() < 0.5:
            row["unviolated"] = [{"rule": name, "severity": "warn"} for name in rng.sample("abc", 2)]
        else:
            row |= {"rule": rng.choice("abc"), "severity": "warn", "violated": rng.randrange(5)}
        rows.append(row)
    return {"gold.data_quality": rows}


def quality_hourly(tables: Tables, newest: datetime) -> list[Row]:
    """Sums by hour, one row after the other."""
    single = []
    for row in tables["gold.data_quality"].to_pylist():
        hour = row["window_end"].replace(minute=0, second=0, microsecond=0)
        for rule in row["unviolated"] or [{"rule": row["rule"], "severity": row["severity"]}]:
            single.append(row | rule | {"hour": hour})
    groups = grouped(single, "hour", "kind", "source", "rule", "rule_set").values()
    sums = [{name: sum(row[name] for row in rows) for name in ("evaluated", "violated")} for rows in groups]
    return [rows[0] | of | {"batches": len(rows)} for rows, of in zip(groups, sums, strict=True)]


def events(rng: random.Random) -> dict[str, list[Row]]:
    """Accepted and quarantined events of devices, sources and people; a reading has two rows."""
    rows: dict[str, list[Row]] = {}
    for number in range(200):
        table = rng.choice(["silver.prices", "silver.posts", "silver.sensors", "silver.quarantine"])
        sources = ["mqtt:DEV-1", "api:DEV-1", "mqtt:DEV-22", "api:person", "mqtt:dev 3"]
        sources += ["collector:rss", "collector:panel_harga", "collector:nobody"]
        received = BEGAN - timedelta(minutes=rng.randrange(20_000))
        row = {"event_id": f"e{number}", "source": rng.choice(sources), "received_at": received}
        if table != "silver.quarantine":
            row["event_time"] = BEGAN - timedelta(minutes=rng.randrange(20_000))
        of_metrics = ("humidity_pct", "temperature_c") if table == "silver.sensors" else (None,)
        rows.setdefault(table, []).extend(row | {"metric": metric} for metric in of_metrics)
    return rows


def _counted(gold: str, tables: Tables) -> list[Row]:
    """Each event of the tables that a gold table reads, once."""
    every = {}
    for table in set(tables) & set(contracts()[gold].reads):
        for row in tables[table].to_pylist():
            every[table, row["event_id"]] = row | {"accepted": table != "silver.quarantine"}
    return list(every.values())


def _counts(rows: list[Row]) -> Row:
    accepted = [row for row in rows if row["accepted"]]
    last = max((row["event_time"] for row in accepted), default=None)
    return {"accepted": len(accepted), "quarantined": len(rows) - len(accepted), "last_event_time": last}


def device_health(tables: Tables, newest: datetime) -> list[Row]:
    """Events of devices by the hour."""
    rows = [
        row
        | {
            "device_id": row["source"].partition(":")[2],
            "hour": row["received_at"].replace(minute=0, second=0, microsecond=0),
        }
        for row in _counted("gold.device_health", tables)
        if row["source"] in ("mqtt:DEV-1", "api:DEV-1", "mqtt:DEV-22")
    ]
    groups = grouped(rows, "device_id", "hour").items()
    return [{"device_id": key[0], "hour": key[1]} | _counts(of) for key, of in groups]


def collector_freshness(tables: Tables, newest: datetime) -> list[Row]:
    """Events of the declared sources, and their age against the newest batch."""
    rows = []
    for (source,), of in grouped(_counted("gold.collector_freshness", tables), "source").items():
        name = source.removeprefix("collector:")
        if name not in collected_sources():
            continue
        hours = collected_sources()[name].fresh_hours
        row = _counts(of) | {"last_received_at": max(event["received_at"] for event in of)}
        reached = (row["last_event_time"] or row["last_received_at"]) + timedelta(hours=hours)
        silent = newest > reached
        row |= {"collector": name, "fresh_hours": hours, "silent": silent, "clock": newest}
        rows.append(row | {"since": reached if silent else None})
    return rows


def drifting(rng: random.Random) -> dict[str, list[Row]]:
    """Prices whose payloads have fields that no contract names, in bronze and in silver or the quarantine."""
    values: list[Any] = ["a", 1.5, False, None, [1], {"b": 2}]
    bronze: list[Row] = []
    silver: list[Row] = []
    refused: list[Row] = []
    for number in range(80):
        payload = {"price": 1} | {f"f{rng.randrange(6)}": rng.choice(values) for _ in range(rng.randrange(3))}
        place = {"topic": "lumbung.price", "partition": 0, "offset": number, "kind": "price"}
        value = json.dumps(payload).encode()
        event = {**place, "event_id": f"e{number:03}", "source": "api:u", "received_at": BEGAN}
        warnings = ["field_unknown"] if unknown_fields("price", value) else []
        bronze.append({**event, "value": value})
        if rng.random() < 0.3:
            reasons = [{"rule": name, "severity": "warn", "message": ""} for name in warnings]
            refused.append({**event, "payload": value, "reasons": reasons})
        else:
            silver.append({**event, "_warnings": warnings, "event_time": BEGAN})
    return {"bronze.events": bronze, "silver.prices": silver, "silver.quarantine": refused}


def schema_drift(tables: Tables, newest: datetime) -> list[Row]:
    """Fields of all events. Which is the first depends on the rounds: accepted ones come first in each."""
    payloads = {row["event_id"]: row["value"] for row in tables["bronze.events"].to_pylist()}
    rows: dict[str, Row] = {}
    for table, at, counted in (
        ("silver.prices", "ingested_at", "events"),
        ("silver.quarantine", "quarantined_at", "quarantined"),
    ):
        for event in sorted(tables[table].to_pylist(), key=lambda row: (row[at], row["offset"])):
            for name, json_type in unknown_fields("price", payloads[event["event_id"]]).items():
                row = rows.setdefault(
                    name, {"kind": "price", "field": name, "events": 0, "quarantined": 0, "json_types": []}
                )
                row[counted] += 1
                row["json_types"] = sorted({*row["json_types"], json_type})
                row["last_seen_at"] = max(row.get("last_seen_at", event[at]), event[at])
    return list(rows.values())
