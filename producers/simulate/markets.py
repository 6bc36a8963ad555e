"""Messages of simulated markets: prices around published levels, temperature, humidity and crowd. Seeded."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from lakehouse.feasts import EID, feast_days_of
from lakehouse.reference import Commodity, Market, commodities, markets, provinces

# Amplitude of the yearly wave and height of the holiday peak, as shares of the price. From published prices.
SEASON = {"chilli": 0.20, "allium": 0.10, "protein": 0.03, "rice": 0.03}
HOLIDAY_PEAK = {"chilli": 0.15, "protein": 0.10, "allium": 0.06}
HOLIDAY_RAMP_DAYS = 14
PROVINCE_SPREAD = 0.08  # sd of the log price level between provinces
ROUNDED_TO_IDR = 50
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


def holiday_share(group: str, day: date) -> float:
    """Share added to the price: rises in the two weeks before Idul Fitri, falls in the week after it."""
    peak = HOLIDAY_PEAK.get(group, 0.0)
    feast = next(iter(feast_days_of(day.year, EID)), None)
    if not peak or feast is None:
        return 0.0
    days_ahead = (feast - day).days
    if 0 <= days_ahead <= HOLIDAY_RAMP_DAYS:
        return peak * (1 - days_ahead / HOLIDAY_RAMP_DAYS)
    return peak * max(0.0, 1 + days_ahead / 7) if days_ahead < 0 else 0.0


def season_share(commodity: Commodity, day: date) -> float:
    """Share that the season adds to the price; each commodity has its own phase."""
    phase = random.Random(commodity.id).random()  # noqa: S311
    return SEASON.get(commodity.group, 0.01) * math.sin(
        2 * math.pi * (day.timetuple().tm_yday / 365.25 + phase)
    )


def price_on(commodity: Commodity, day: date, deviation: float) -> int:
    """Rupiah a unit on a day. `deviation`: from the typical level, in log units."""
    share = 1 + season_share(commodity, day) + holiday_share(commodity.group, day)
    price = commodity.typical_idr * share * math.exp(deviation)
    return max(ROUNDED_TO_IDR, round(price / ROUNDED_TO_IDR) * ROUNDED_TO_IDR)


class SampleMarkets:
    """An endless, seeded sequence of messages; `bad_share` of them have one of the FAULTS."""

    def __init__(self, seed: int, run: str, count: int, bad_share: float) -> None:
        self._dice = random.Random(seed)  # noqa: S311
        self._run = run
        self._bad_share = bad_share
        self.places = [market for market in markets().values() if market.level == "market"][:count]
        self._commodities = [commodity for commodity in commodities().values() if not commodity.is_group]
        self._level: dict[tuple[str, str], float] = {}  # log deviation of a series from its typical level
        self._spread = {code: self._dice.gauss(0, PROVINCE_SPREAD) for code in provinces()}

    def messages(self) -> Iterator[Message]:
        """Yield messages, markets in turn; `event_time` is the time of the call."""
        number = 0
        while True:
            place = self.places[number % len(self.places)]
            now = datetime.now(UTC)
            is_price = self._dice.random() < PRICE_SHARE
            fields = self._price(place, now) if is_price else self._reading(place, now)
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

    def _price(self, place: Market, now: datetime) -> dict[str, object]:
        commodity = self._dice.choice(self._commodities)
        series = (place.market_id, commodity.id)
        deviation = self._level.get(series, self._dice.gauss(0, 2 * commodity.daily_volatility))
        # Reports of a series are minutes apart: a fraction of a day's movement, drawn back to its level.
        self._level[series] = 0.999 * deviation + self._dice.gauss(0, commodity.daily_volatility / 20)
        day = now.astimezone(ZoneInfo(provinces()[place.region_code].timezone)).date()
        price = price_on(commodity, day, self._spread[place.region_code] + self._level[series])
        return {"commodity": commodity.name, "price": price, "unit": commodity.unit}

    def _reading(self, place: Market, now: datetime) -> dict[str, object]:
        hour = now.astimezone(ZoneInfo(provinces()[place.region_code].timezone)).hour
        warmth = 27.5 + 4 * math.cos(2 * math.pi * (hour - 14) / 24) + self._dice.gauss(0, 0.4)
        damp = min(99.0, max(35.0, 78 - 3.5 * (warmth - 27.5) + self._dice.gauss(0, 2)))
        busy = 120 * (math.exp(-((hour - 7) ** 2) / 6) + 0.6 * math.exp(-((hour - 17) ** 2) / 5)) + 3
        crowd = max(0, round(self._dice.gauss(busy, math.sqrt(busy))))
        return {"temperature_c": round(warmth, 2), "humidity_pct": round(damp, 1), "crowd_count": crowd}

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
