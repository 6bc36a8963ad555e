"""A small lake of the tables that the API serves, written with delta-rs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.reference import commodities, markets, provinces
from scripts.bench.api_lake import write

NOW = datetime.now(UTC).replace(microsecond=0)
RULE_SET = "f" * 16


def price(
    event_id: str, market_id: str, commodity: str, ago: timedelta, price_idr: float = 50_000.0, **more: Any
) -> dict[str, Any]:
    """A row of gold.live_prices and of gold.price_history; each table takes the columns that it has."""
    market = markets()[market_id]
    province = provinces()[market.region_code]
    at = NOW - ago
    day = at.astimezone(ZoneInfo(province.timezone)).date()
    return {
        "event_id": event_id,
        "market_id": market_id,
        "market_name": market.name,
        "level": market.level,
        "region_code": province.code,
        "region": province.name,
        "commodity": commodity,
        "channel": "retail",
        "price_idr": price_idr,
        "unit": commodities()[commodity].unit,
        "event_time": at,
        "market_date": day,
        "market_month": f"{day:%Y-%m}",
        "warnings": [],
        "change_pct": None,
        **more,
    }


LIVE = [
    price("l1", "PASAR-001", "cabai-rawit-merah", timedelta(minutes=1), 55_000.0, change_pct=10.0),
    price("l2", "PASAR-002", "cabai-rawit-merah", timedelta(minutes=2), 56_000.0),
    price("l3", "PROV-32", "cabai-rawit-merah", timedelta(minutes=3), 57_000.0),
    price("l4", "PASAR-001", "cabai-merah-keriting", timedelta(minutes=4)),
    price("l5", "PASAR-001", "cabai", timedelta(minutes=5)),
    price("l6", "PASAR-001", "cabai-rawit-merah", timedelta(seconds=1), 40_000.0, channel="wholesale"),
    price("l7", "PASAR-001", "garam", timedelta(minutes=6), 11_500.0),
]
# 25 prices an hour apart, one of each of the five months before, and one of another commodity.
HISTORY = [
    *(
        price(f"h{n:02d}", "PASAR-001", "garam", timedelta(hours=n), 11_000.0 + n, warnings=["a_warning"])
        for n in range(25)
    ),
    *(price(f"m{n}", "PASAR-002", "garam", timedelta(days=31 * n)) for n in range(1, 6)),
    price("g1", "PASAR-009", "cabai-merah-besar", timedelta(hours=1)),
]


def quarantined(number: int, **more: Any) -> dict[str, Any]:
    """A row of silver.quarantine."""
    at = NOW - timedelta(hours=7 * number)
    reasons = [{"rule": "price_positive", "severity": "error", "message": "price -5 is not above zero"}]
    return {
        "event_id": f"q{number}",
        "kind": "price",
        "source": "mqtt:DEV-1",
        "market_id": "PASAR-001",
        "commodity": "Garam",
        "reasons": reasons,
        "stage": "stream",
        "state": "open",
        "generation": 0,
        "rule_set": RULE_SET,
        "payload": b'{"price": -5}',
        "content_type": "application/json",
        "received_at": at,
        "quarantined_at": at,
        "topic": "lumbung.price",
        "partition": 0,
        "offset": 100 - number,
        "ingest_date": at.date(),
        **more,
    }


OTHER_RULE = [{"rule": "temperature_range", "severity": "error", "message": "140 lies outside"}]
QUARANTINE = [
    *(quarantined(number) for number in range(8)),
    quarantined(8, kind="sensor", commodity=None, market_id=None, reasons=OTHER_RULE, payload=b"\xff\xfe{"),
    quarantined(9, commodity="unobtainium", state="rejected"),
]
READINGS = [
    ("PASAR-001", "aa", "temperature_c", 28.5, 1),
    ("PASAR-001", "aa", "crowd_count", 12.0, 2),
    ("PASAR-900", "bb", "humidity_pct", 70.0, 3),
]


def alert(alert_id: str, ago: timedelta, **more: Any) -> dict[str, Any]:
    """A row of gold.alerts: an active rise of a price in Jawa Barat."""
    return {
        "alert_id": alert_id,
        "rule": "price_level",
        "rule_version": "f" * 16,
        "commodity": "cabai-rawit-merah",
        "region_code": "32",
        "region": "Jawa Barat",
        "level": "siaga",
        "state": "active",
        "tier": 1,
        "stale": False,
        "message": "it rises",
        "message_indonesian": "harga naik",
        "action": "check the stock",
        "action_indonesian": "periksa stok",
        "opened_at": NOW - ago,
        "updated_at": NOW - ago,
        **more,
    }


ALERTS = [
    alert("al-rise", timedelta(days=2)),
    alert("al-pending", timedelta(days=1), state="pending", tier=0, level="naik"),
    alert("al-cleared", timedelta(days=20), state="cleared"),
    alert("al-shallot", timedelta(days=3), commodity="bawang-merah", region_code="35", region="Jawa Timur"),
    alert("al-silent", timedelta(hours=1), rule="silent_market", commodity=None, level="info"),
]


def market_rows() -> list[dict[str, Any]]:
    """Every market of the reference list; the first one has reported."""
    return [
        {
            "market_id": market.market_id,
            "name": market.name,
            "level": market.level,
            "region_code": market.region_code,
            "region": provinces()[market.region_code].name,
            "latitude": market.latitude,
            "longitude": market.longitude,
            "timezone": provinces()[market.region_code].timezone,
            "commodities": 1,
            "last_event_time": NOW if market.market_id == "PASAR-001" else None,
        }
        for market in markets().values()
    ]


def fill(root: str) -> None:
    """Every table that is served in `tests/serving_api/conftest.py`."""
    write(root, "gold.alerts", ALERTS)
    write(root, "gold.live_prices", LIVE)
    write(root, "gold.price_history", HISTORY)
    write(root, "silver.quarantine", QUARANTINE)
    readings = [
        {
            "event_id": "s",
            "market_id": market_id,
            "device_id_hash": device,
            "metric": metric,
            "value": value,
            "event_time": NOW - timedelta(minutes=minutes),
        }
        for market_id, device, metric, value, minutes in READINGS
    ]
    write(root, "gold.sensors_live", readings)
    write(root, "gold.markets", market_rows())


def decision(
    number: int, row: dict[str, Any], state: str, outcome: str, **more: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of silver.decisions on a quarantined row, and the row of gold.reviews that belongs to it."""
    at = row["quarantined_at"] + timedelta(minutes=number)
    shared = {
        "target_record": f"{row['topic']}:{row['partition']}:{row['offset']}",
        "generation": row["generation"],
        "decision": {"released": "release", "corrected": "correct", "rejected": "reject"}[state],
        "reason": "because of a test",
        "decided_by": "operator",
        "ingested_at": at,
        **more,
    }
    decided = {
        **shared,
        "event_id": f"d-{number}",
        "target_event_id": row["event_id"],
        "target_kind": row["kind"],
        "event_time": at,
    }
    review = {
        **shared,
        "event_id": row["event_id"],
        "kind": row["kind"],
        "decision_id": f"d-{number}",
        "decided_at": at,
        "state": state,
        "outcome": outcome,
    }
    return decided, review
