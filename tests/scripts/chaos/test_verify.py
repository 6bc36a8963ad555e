"""The comparison of chaos finds and names every loss, duplicate and change."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.contracts.contract import kinds
from lakehouse.paths import table_path
from scripts.chaos.plan import Entry, plan
from scripts.chaos.verify import daily_prices, differences, live_prices
from tests.support.query_lake import Lake
from tests.support.written_lake import NOON

ENTRIES = plan(1500, 2, datetime(2026, 3, 5, tzinfo=UTC))


def because(rule: str | None) -> dict[str, Any]:
    return {"rule": rule, "severity": "error", "message": ""}


def rows_of(entries: list[Entry]) -> dict[str, list[dict[str, Any]]]:
    """Tables as a correct stream writes them."""
    prices = [
        {
            "event_id": e.event_id,
            "price_idr": float(e.landed["price"]),
            "market_id": e.landed["market_id"],
            "commodity": e.landed["commodity"],
        }
        for e in entries
        if e.kind == "price" and e.verdict == "silver"
    ]
    readings = [
        {"event_id": e.event_id, "metric": metric, "value": e.fields[metric]}
        for e in entries
        if e.kind == "sensor"
        for metric in ("temperature_c", "humidity_pct")
        if metric in e.fields
    ]
    whole = {"channel": "x", "region_code": "x", "level": "x", "provider": "x", "unit": "x"}
    silver = [{**whole, **_times(), **row} for row in prices]
    others = {
        contract.table: [{"event_id": e.event_id} for e in entries if e.kind == kind]
        for kind, contract in kinds().items()
        if kind not in ("price", "sensor")
    }
    became = {
        "release": ("released", "silver"),
        "correct": ("corrected", "silver"),
        "reject": ("rejected", "closed"),
    }
    return {
        **others,
        "gold.reviews": [
            dict(zip(("event_id", "state", "outcome"), (e.event_id, *became[e.decision]), strict=True))
            for e in entries
            if e.decision
        ],
        "bronze.events": [
            {"event_id": e.event_id, "kind": e.kind, "value": e.payload.encode()} for e in entries
        ],
        "silver.prices": silver,
        "silver.sensors": readings,
        "silver.quarantine": [
            {"event_id": e.event_id, "kind": e.kind, "reasons": [because(e.reason)]}
            for e in entries
            if e.reason
        ],
        "gold.price_history": prices,
        "gold.live_prices": live_prices(silver),
        "gold.daily_prices": daily_prices(silver),
    }


def _times() -> dict[str, Any]:
    return {"event_time": NOON, "market_date": NOON.date()}


@pytest.fixture(scope="module")
def correct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a lake as a correct stream writes it."""
    home = tmp_path_factory.mktemp("correct")
    write(Lake(home), rows_of(ENTRIES))
    return home


def spoiled(correct: Path, home: Path, table: str, spoil: Callable[[list[dict[str, Any]]], Any]) -> str:
    """The root of a copy of the lake in which one table has spoiled rows."""
    rows = rows_of(ENTRIES)[table]
    spoil(rows)
    shutil.copytree(correct / "lake", home / "lake")
    shutil.rmtree(table_path(str(home / "lake"), table))
    return write(Lake(home), {table: rows})


def write(lake: Lake, tables: dict[str, list[dict[str, Any]]]) -> str:
    for table, rows in tables.items():
        nulls = {
            "previous_price_idr": None,
            "previous_event_id": None,
            "previous_market_date": None,
            "change_pct": None,
        }
        lake.write(table, [{**nulls, **row} for row in rows] if table == "gold.live_prices" else rows)
    return str(lake.home / "lake")


def test_correct_lake_has_no_difference(correct: Path):
    assert {entry.decision for entry in ENTRIES} == {"release", "correct", "reject", None}
    assert differences(ENTRIES, str(correct / "lake")) == []


@pytest.mark.parametrize(
    ("table", "spoil", "named"),
    [
        ("silver.prices", lambda rows: rows.pop(0), "silver.prices: 1 missing"),
        ("silver.prices", lambda rows: rows.append(rows[0]), "silver.prices: 1 too many"),
        ("silver.sensors", lambda rows: rows.append(rows[0]), "silver.sensors: 1 too many"),
        ("silver.quarantine", lambda rows: rows.pop(0), "silver.quarantine: 1 missing"),
        (
            "silver.quarantine",
            lambda rows: rows[0]["reasons"][0].update(rule="price_positive"),
            "silver.quarantine: 1 too many",
        ),
        (
            "silver.quarantine",
            lambda rows: rows[0]["reasons"].append(because("unit_known")),
            "silver.quarantine: 1 too many",
        ),
        ("silver.bars", lambda rows: rows.pop(0), "silver.bars: 1 missing"),
        ("gold.reviews", lambda rows: rows.append(rows[0]), "gold.reviews: 1 too many"),
        ("gold.reviews", lambda rows: rows[0].update(outcome="quarantine"), "gold.reviews: 1 missing"),
        ("bronze.events", lambda rows: rows.pop(0), "bronze.events: 1 events missing"),
        (
            "bronze.events",
            lambda rows: rows[0].update(value=b"{}"),
            "bronze.events: 1 records are not what was sent",
        ),
        ("gold.live_prices", lambda rows: rows[0].update(price_idr=1.0), "gold.live_prices: 1 rows differ"),
        (
            "gold.daily_prices",
            lambda rows: rows[0].update(median_price_idr=1.0),
            "gold.daily_prices: 1 rows differ",
        ),
        ("gold.daily_prices", lambda rows: rows.pop(0), "gold.daily_prices: 1 missing"),
        ("gold.price_history", lambda rows: rows.append(rows[0]), "gold.price_history: 1 too many"),
    ],
)  # fmt: skip
def test_fault_is_named(correct: Path, tmp_path: Path, table: str, spoil: Any, named: str):
    root = spoiled(correct, tmp_path, table, spoil)
    assert any(difference.startswith(named) for difference in differences(ENTRIES, root))


def test_rule_on_history_besides_the_planned_rule_is_no_difference(correct: Path, tmp_path: Path):
    def spoil(rows: list[dict[str, Any]]) -> None:
        rows[0]["reasons"].append(because("outlier_residual"))

    assert "outlier_residual" in {rule.name for rule in kinds()["price"].rules if rule.reads == "stream"}
    assert differences(ENTRIES, spoiled(correct, tmp_path, "silver.quarantine", spoil)) == []
