"""Folded gold stays small whatever is sent, and does not depend on the order of arrival."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from streaming_jobs.batch.folded_gold import fold

LIVE = contracts()["gold.sensors_live"]
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def reading(number: int, market: str, device: int) -> dict[str, Any]:
    time = BEGIN + timedelta(seconds=number)
    names = {"market_id": market, "device_id_hash": f"{market}-{device:03}", "metric": "crowd_count"}
    return {**names, "value": float(number), "event_time": time, "event_id": f"e-{number:05}"}


def expected(rows: list[dict[str, Any]], per_market: int, in_all: int) -> set[str]:
    """Event ids of the newest readings, in plain Python."""
    newest = {row["device_id_hash"]: row for row in sorted(rows, key=lambda row: row["event_time"])}
    by_age = sorted(newest.values(), key=lambda row: row["event_time"], reverse=True)
    kept: dict[str, list[dict[str, Any]]] = {}
    for row in by_age:
        kept.setdefault(row["market_id"], []).append(row)
    bounded = [row for rows in kept.values() for row in rows[:per_market]]
    bounded.sort(key=lambda row: row["event_time"], reverse=True)
    return {row["event_id"] for row in bounded[:in_all]}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_invented_devices_and_markets_displace_the_oldest_readings_only(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch, seed: int
):
    monkeypatch.setattr(settings().lake, "live_readings_per_market", 5)
    monkeypatch.setattr(settings().lake, "live_readings", 12)
    chance = random.Random(seed)
    rows = [reading(n, f"M-{chance.randrange(4)}", chance.randrange(20)) for n in range(300)]
    chance.shuffle(rows)
    schema = arrow_schema(LIVE)
    table = schema.empty_table()
    for start in range(0, 300, 37):
        table = fold(LIVE, table, pa.Table.from_pylist(rows[start : start + 37], schema=schema))
        assert set(table["event_id"].to_pylist()) == expected(rows[: start + 37], 5, 12)
    assert table.num_rows == 12
