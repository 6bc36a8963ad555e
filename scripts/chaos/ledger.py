"""What will be sent, written down before anything is sent: id, door, exact payload, planned verdict and reason."""

import json
import random
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lakehouse.reference import Commodity, commodities, markets

BAD_SHARE = 0.02
AGAIN_SHARE = 0.01  # sent a second time, same id and bytes
SENSOR_SHARE = 0.25  # of what MQTT and HTTP carry
DAYS_BACK = 4
DOORS = ("mqtt", "http", "csv")
WIB = timedelta(hours=7)


@dataclass(frozen=True)
class Entry:
    """`payload` is the text of the exact bytes; for csv the row as JSON. `reason` is null for what shall reach silver."""

    event_id: str
    kind: str
    door: str
    payload: str
    verdict: str  # silver or quarantine
    reason: str | None
    again: bool

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.payload)


def plan(events: int, seed: int, now: datetime) -> list[Entry]:
    """`events` entries, the same for the same seed and time; doors take turns."""
    dice = random.Random(seed)  # noqa: S311
    goods = [good for good in commodities().values() if not good.is_group]
    places = [place.market_id for place in markets().values() if place.market_id.startswith("PASAR-")]
    run = f"chaos-{seed}-{now:%H%M%S}"
    return [_entry(dice, f"{run}-{n}", DOORS[n % 3], goods, places, now) for n in range(events)]


def _entry(dice: random.Random, event_id: str, door: str, goods: list[Commodity], places: list[str], now: datetime) -> Entry:
    time = now - timedelta(seconds=dice.randrange(60, DAYS_BACK * 86_400))
    fields: dict[str, Any] = {"event_id": event_id, "market_id": dice.choice(places), "event_time": _local(time)}
    again = door != "csv" and dice.random() < AGAIN_SHARE
    if door != "csv" and dice.random() < SENSOR_SHARE:
        fields |= {"device_id": f"DEV-{dice.randrange(20):03}", "temperature_c": round(dice.uniform(22, 36), 2)}
        fields |= {"humidity_pct": round(dice.uniform(40, 95), 1)} if dice.random() < 0.5 else {}
        return Entry(event_id, "sensor", door, json.dumps(fields), "silver", None, again)
    good = dice.choice(goods)
    price = round(good.typical_idr * dice.uniform(0.9, 1.1), dice.choice((0, 2)))
    fields |= {"commodity": good.id, "price": price, "unit": good.unit}
    reason = _spoil(dice, fields, now) if dice.random() < BAD_SHARE else None
    return Entry(event_id, "price", door, json.dumps(fields), "quarantine" if reason else "silver", reason, again)


def _spoil(dice: random.Random, fields: dict[str, Any], now: datetime) -> str:
    """Make the event bad in one way that every door lets through to the stream; returns the rule that shall say so."""
    reason = dice.choice(("commodity_known", "price_in_band", "unit_fits", "unit_known", "event_time_future"))
    if reason == "commodity_known":
        fields |= {"commodity": "batu-kali"}
    elif reason == "price_in_band":
        fields |= {"price": 9_900_000}
    elif reason == "unit_fits":
        fields |= {"unit": "kg" if fields["unit"] == "liter" else "liter"}
    elif reason == "unit_known":
        fields |= {"unit": "gerobak"}
    else:
        fields |= {"event_time": _local(now + timedelta(days=2))}
    return reason


def _local(time: datetime) -> str:
    return (time.astimezone(UTC) + WIB).strftime("%Y-%m-%dT%H:%M:%S+07:00")


def write(entries: list[Entry], file: Path) -> None:
    """One JSON line per entry, on disk before the first is published."""
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(entry)) + "\n" for entry in entries)
