"""Messages of simulated markets: today's prices of the walk, temperature, humidity and crowd. Seeded."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from lakehouse.reference import DEFAULT_TIMEZONE, Market, provinces
from producers.simulate.planted import SEED, read_plan
from producers.simulate.walk import walk

AHEAD_DAYS = 366  # a simulation that runs for longer stays at the last level
PRICE_SHARE = 0.7  # of all events; the rest are sensor readings
FAULTS = (
    "price_positive",
    "commodity_known",
    "price_required",
    "price_in_band",
    "event_time_future",
    "payload_json",
    "temperature_range",
)


@dataclass(frozen=True)
class Message:
    """One MQTT message: topic and exact bytes."""

    market_id: str
    topic: str
    payload: bytes


def device_of(market_id: str) -> str:
    """The device that sends everything of a simulated market."""
    return f"SIM-{market_id}"


def reading(place: Market, at: datetime, dice: random.Random, drift_c: float = 0.0) -> dict[str, object]:
    """Temperature, humidity and people of a market at a moment."""
    hour = at.astimezone(ZoneInfo(provinces()[place.region_code].timezone)).hour
    warmth = 27.5 + 4 * math.cos(2 * math.pi * (hour - 14) / 24) + dice.gauss(0, 0.4)
    damp = min(99.0, max(35.0, 78 - 3.5 * (warmth - 27.5) + dice.gauss(0, 2)))
    busy = 120 * (math.exp(-((hour - 7) ** 2) / 6) + 0.6 * math.exp(-((hour - 17) ** 2) / 5)) + 3
    crowd = max(0, round(dice.gauss(busy, math.sqrt(busy))))
    return {
        "temperature_c": round(warmth + drift_c, 2),
        "humidity_pct": round(damp, 1),
        "crowd_count": crowd,
    }


class SampleMarkets:
    """An endless, seeded sequence of messages; `bad_share` of them have one of the FAULTS."""

    def __init__(self, seed: int, run: str, count: int, bad_share: float) -> None:
        self._dice = random.Random(seed)  # noqa: S311
        self._run = run
        self._bad_share = bad_share
        plan = read_plan(datetime.now(UTC))
        last = datetime.now(ZoneInfo(DEFAULT_TIMEZONE)).date() + timedelta(days=AHEAD_DAYS)
        self._country = walk(last, plan.planted_on, SEED, count)
        self.places = self._country.places

    def messages(self) -> Iterator[Message]:
        """Yield messages, markets in turn; `event_time` is the time of the call."""
        number = 0
        while True:
            place = self.places[number % len(self.places)]
            now = datetime.now(UTC)
            is_price = self._dice.random() < PRICE_SHARE
            at = number % len(self.places)
            fields = self._price(at, now) if is_price else reading(place, now, self._dice)
            device = device_of(place.market_id)
            payload: dict[str, object] = {
                "event_id": f"sim-{self._run}-{number}",
                "event_time": now.isoformat(),
                "market_id": place.market_id,
                "device_id": device,
                **fields,
            }
            is_bad = self._dice.random() < self._bad_share
            body = self._with_fault(payload, now) if is_bad else json.dumps(payload).encode()
            kind = "price" if is_price else "sensor"
            yield Message(place.market_id, f"lumbung/v1/{place.market_id}/{device}/{kind}", body)
            number += 1

    def _price(self, place: int, now: datetime) -> dict[str, object]:
        """A price of today's level: reporters of a day agree, but for a tenth of a usual day's move."""
        number = self._dice.randrange(len(self._country.listed))
        commodity = self._country.listed[number]
        zone = ZoneInfo(provinces()[self.places[place].region_code].timezone)
        price = self._country.price(
            number, place, now.astimezone(zone).date(), self._dice.gauss(0, commodity.daily_volatility / 10)
        )
        return {"commodity": commodity.name, "price": price, "unit": commodity.unit}

    def _with_fault(self, payload: dict[str, object], now: datetime) -> bytes:
        """The payload with one fault."""
        possible = [
            fault for fault in FAULTS if ("temperature_c" in payload) == (fault == "temperature_range")
        ]
        fault = self._dice.choice([*possible, "payload_json", "event_time_future"])
        change: dict[str, dict[str, object]] = {
            "price_positive": {"price": -1500},
            "commodity_known": {"commodity": "Batu Kali"},
            "price_required": {"price": None},
            "price_in_band": {"price": 99_000_000},
            "event_time_future": {"event_time": (now + timedelta(days=2)).isoformat()},
            "temperature_range": {"temperature_c": 140.5},
            "payload_json": {},
        }
        whole = json.dumps(payload | change[fault]).encode()
        return whole[:-7] if fault == "payload_json" else whole
