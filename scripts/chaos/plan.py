"""The events of a chaos run, planned before the first is sent: id, door, exact payload, expected verdict."""

import json
import random
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lakehouse.reference import Commodity, commodities, markets

BAD_SHARE = 0.02
REPEATED_SHARE = 0.01  # sent a second time, same id and bytes
OTHER_SHARE = 0.35  # of events by MQTT and HTTP: kinds other than price
DAYS_BACK = 4
DOORS = ("mqtt", "http", "csv")
KINDS_OF_DOOR = {
    "mqtt": ("sensor", "sensor", "stock", "shipment"),
    "http": ("sensor", "sensor", "stock", "shipment", "listing", "post", "weather", "macro", "bar"),
}
# Decisions of the operator by the rule that a price violates; a correction names the fields to replace.
DECISIONS: dict[str, tuple[tuple[str | None, dict[str, Any] | None], ...]] = {
    "commodity_known": (
        ("correct", {"commodity": "garam", "unit": "kg", "price": 11500}),
        ("reject", None),
        (None, None),
    ),
    "price_in_band": (
        ("release", None),
        ("correct", {"commodity": "garam", "unit": "kg", "price": 11600}),
        (None, None),
    ),
    "unit_fits": (("correct", {"commodity": "garam", "unit": "kg", "price": 11700}), (None, None)),
    "unit_known": (("reject", None), (None, None)),
    "event_time_future": (("release", None), ("reject", None)),
}
WIB = timedelta(hours=7)


@dataclass(frozen=True)
class Entry:
    """`payload`: the text of the exact bytes; for csv the row as JSON. `reason`: the violated rule, if any.

    `verdict`: where the event is in the end, after the decision if there is one.
    """

    event_id: str
    kind: str
    door: str
    payload: str
    verdict: str  # silver or quarantine
    reason: str | None
    again: bool
    decision: str | None = None
    correction: dict[str, Any] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The payload as it is sent."""
        fields: dict[str, Any] = json.loads(self.payload)
        return fields

    @property
    def landed(self) -> dict[str, Any]:
        """The fields as silver must hold them."""
        return self.fields | (self.correction or {})


def plan(events: int, seed: int, now: datetime) -> list[Entry]:
    """`events` entries, the same for the same seed and time; doors take turns."""
    dice = random.Random(seed)  # noqa: S311
    listed = [commodity for commodity in commodities().values() if not commodity.is_group]
    places = [place.market_id for place in markets().values() if place.market_id.startswith("PASAR-")]
    run = f"chaos-{seed}-{now:%H%M%S}"
    return [_entry(dice, f"{run}-{n}", n, DOORS[n % 3], listed, places, now) for n in range(events)]


def _entry(
    dice: random.Random,
    event_id: str,
    number: int,
    door: str,
    listed: list[Commodity],
    places: list[str],
    now: datetime,
) -> Entry:
    time = now - timedelta(seconds=dice.randrange(60, DAYS_BACK * 86_400))
    fields: dict[str, Any] = {"event_id": event_id, "event_time": _local(time)}
    again = door != "csv" and dice.random() < REPEATED_SHARE
    commodity = dice.choice(listed)
    place = dice.choice(places)
    if door != "csv" and dice.random() < OTHER_SHARE:
        kind = dice.choice(KINDS_OF_DOOR[door])
        fields |= _payload(dice, kind, number, commodity, place, time)
        if door == "mqtt":
            fields.pop("device_id", None)  # it is that of the connection
        return Entry(event_id, kind, door, json.dumps({"kind": kind, **fields}), "silver", None, again)
    price = round(commodity.typical_idr * dice.uniform(0.9, 1.1), dice.choice((0, 2)))
    fields |= {"market_id": place, "commodity": commodity.id, "price": price, "unit": commodity.unit}
    reason = _add_fault(dice, fields, now) if dice.random() < BAD_SHARE else None
    decision, correction = dice.choice(DECISIONS[reason]) if reason else (None, None)
    if reason == "price_in_band" and decision == "release":
        # On the newest market day: on an earlier one it would be the last accepted price of its series, and
        # later prices would rightly be refused as errors of the unit.
        fields["event_time"] = _local(now - timedelta(seconds=60))
    lands = reason is None or decision in ("release", "correct")
    payload = json.dumps(fields)
    verdict = "silver" if lands else "quarantine"
    return Entry(event_id, "price", door, payload, verdict, reason, again, decision, correction)


def _payload(
    dice: random.Random, kind: str, number: int, commodity: Commodity, place: str, time: datetime
) -> dict[str, Any]:
    """The fields of an event of another kind than price."""
    match kind:
        case "sensor":
            fields = {
                "market_id": place,
                "device_id": f"DEV-{number % 20:03}",
                "temperature_c": round(dice.uniform(27.5, 29), 2),
            }
            return fields | ({"humidity_pct": round(dice.uniform(71, 78), 1)} if dice.random() < 0.5 else {})
        case "stock":
            return {
                "entity_id": f"GUDANG-{number % 9}",
                "entity_type": "warehouse",
                "commodity": commodity.id,
                "quantity_kg": dice.randrange(900, 1100),
            }
        case "shipment":
            return {
                "route_id": f"R-{number % 7}",
                "origin": "GUDANG-1",
                "destination": place,
                "commodity": commodity.id,
                "quantity_kg": dice.randrange(1, 900),
                "departed_at": _local(time),
            }
        case "listing":
            return {
                "ProductID": 1 + number,
                "ProductName": f"Product {number}",
                "Category": dice.choice(("Electronics", "Toys")),
                "Price": round(dice.uniform(1, 499), 2),
                "Rating": round(dice.uniform(1, 5), 1),
                "NumReviews": dice.randrange(5000),
                "StockQuantity": dice.randrange(1000),
                "Discount": round(dice.uniform(0, 0.5), 2),
                "Sales": dice.randrange(2000),
                "DateAdded": f"{time:%Y-%m-%d}",
            }
        case "post":
            text = f"Harga {commodity.name} hari ini, laporan {number}"
            return {"post_id": f"P-{number}", "source": "news", "text": text, "commodities": [commodity.id]}
        case "weather":
            return {
                "station_id": f"ST-{number % 30}",
                "region": "Jawa Barat",
                "date": f"{time:%Y-%m-%d}",
                "temperature_c": round(dice.uniform(22, 30), 1),
                "rainfall_mm": round(dice.uniform(0, 60), 1),
            }
        case "macro":
            return {
                "indicator": f"index-{number}",
                "period": "2026-01",
                "value": round(dice.uniform(0.9, 1.1), 3),
                "unit": "ratio",
                "released_at": _local(time),
            }
        case "bar":
            low = round(dice.uniform(1, 99), 2)
            return {
                "symbol": f"CH{number}",
                "asset_class": "crypto",
                "interval": "1d",
                "bar_time": "2026-01-05T00:00:00Z",
                "open": low,
                "high": low + 1,
                "low": low,
                "close": low + 0.5,
                "volume": dice.randrange(1, 999),
                "currency": "USD",
            }
    raise ValueError(f"no event of kind {kind} is planned")


def _add_fault(dice: random.Random, fields: dict[str, Any], now: datetime) -> str:
    """Give the event one fault that reaches the stream by every door; returns the rule that it violates."""
    changes: dict[str, dict[str, Any]] = {
        "commodity_known": {"commodity": "batu-kali"},
        "price_in_band": {"price": 9_900_000},
        "unit_fits": {"unit": "kg" if fields["unit"] == "liter" else "liter"},
        "unit_known": {"unit": "gerobak"},
        "event_time_future": {"event_time": _local(now + timedelta(days=2))},
    }
    reason = dice.choice(tuple(changes))
    fields |= changes[reason]
    return reason


def _local(time: datetime) -> str:
    return (time.astimezone(UTC) + WIB).strftime("%Y-%m-%dT%H:%M:%S+07:00")


def write(entries: list[Entry], file: Path) -> None:
    """Write one JSON line per entry, before the first is published."""
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(entry)) + "\n" for entry in entries)
