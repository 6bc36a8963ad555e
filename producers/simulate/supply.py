"""Stocks, deliveries and posts of the simulated country, with what is planted among them.

A warehouse of a province receives from farmers in the morning, delivers to its market, and reports in the
evening. Each day is the same whenever it is computed, for the same planted day.
"""

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lakehouse.reference import commodities, provinces
from producers.simulate.planted import (
    LOSING_HOLDER,
    LOSS_DAYS,
    LOSS_SHARE,
    PLENTY_REGION,
    ROUTE,
    SCARCE,
    SCARCE_REGION,
)
from producers.simulate.walk import SHORTAGE, Country, local_time

SUPPLIED = ("beras-medium", "bawang-merah", "cabai-rawit-merah", "telur-ayam-ras")
HELD_IN = ("31", "32", "33", "35", "51", "73")
DAILY_KG = {"beras-medium": 9000, "bawang-merah": 1500, "cabai-rawit-merah": 900, "telur-ayam-ras": 2500}
COVER_DAYS = {"beras-medium": 40, "bawang-merah": 11, "cabai-rawit-merah": 6, "telur-ayam-ras": 9}
STOCK_DAYS = 28
PLENTY_COVER_DAYS = 22
DRAINS_TO_DAYS = 2  # of cover, on the planted day
ROUTE_KM = 450.0
ROUTE_DAYS = 60  # one delivery a day: enough for observed times
ROUTE_KM_PER_HOUR = 40 / 1.45  # slower than the heuristic's lorry on a day without rain
POST_DAYS = 400  # enough for a correlation with prices
NEWSWORTHY = 0.03  # change of log price in a week
RISES = ("Harga {name} naik di {place}, pedagang keluhkan pasokan",)
FALLS = ("Harga {name} turun, pasokan di {place} lancar",)
STAYS = (
    "Harga {name} di {place} stabil jelang akhir pekan",
    "Pedagang {place}: stok {name} cukup untuk dua minggu",
)
SCARCE_HEADLINES = (
    "Hujan lebat, {name} langka di {place} dan harga melonjak",
    "Pasokan {name} ke {place} menipis, harga meroket",
    "Petani {place} gagal panen, {name} langka di pasar",
)
TALKED_OF = ("cabai-rawit-merah", "bawang-merah", "beras-medium", "telur-ayam-ras")


def holder(code: str) -> str:
    """Id of the warehouse of a province."""
    return f"GUDANG-{code}"


def _flows(code: str, commodity: str, planted_on: date) -> Iterator[tuple[date, float, float, float]]:
    """(day, kg that arrived, that left, held in the evening) of STOCK_DAYS up to a year after the plan."""
    daily = DAILY_KG[commodity]
    cover = PLENTY_COVER_DAYS if (code, commodity) == (PLENTY_REGION, SCARCE) else COVER_DAYS[commodity]
    held = float(cover * daily)
    drain = (held - DRAINS_TO_DAYS * daily) / STOCK_DAYS
    for number in range(-STOCK_DAYS + 1, 366):
        day = planted_on + timedelta(days=number)
        dice = random.Random(f"{code} {commodity} {day}")  # noqa: S311
        left = round(min(held, daily * dice.uniform(0.85, 1.15)))
        arrived = max(0, round(left + 0.2 * (cover * daily - held) * dice.uniform(0.5, 1.5)))
        if (code, commodity) == (SCARCE_REGION, SCARCE) and number <= 0:
            arrived = max(0, round(left - drain))
        held += arrived - left
        if holder(code) == LOSING_HOLDER and commodity == "beras-medium" and number == -LOSS_DAYS:
            held = round(held * (1 - LOSS_SHARE))
        yield day, arrived, left, held


def stocks(planted_on: date, first: date, last: date) -> Iterator[dict[str, object]]:
    """Payloads of evening reports from `first` to `last`."""
    for code in HELD_IN:
        for commodity in SUPPLIED:
            for day, _, _, held in _flows(code, commodity, planted_on):
                if first <= day <= last:
                    yield {
                        "event_id": f"sim-stock-{code}-{commodity}-{day}",
                        "event_time": local_time(day, code, 18),
                        "entity_id": holder(code),
                        "entity_type": "warehouse",
                        "commodity": commodities()[commodity].name,
                        "quantity_kg": held,
                        "capacity_kg": float(60 * DAILY_KG[commodity]),
                        "region": provinces()[code].name,
                    }


def deliveries(planted_on: date, first: date, last: date) -> Iterator[dict[str, object]]:
    """Payloads of deliveries to and from warehouses from `first` to `last`, and of the slow route.

    The route's are those of ROUTE_DAYS before the planted day too.
    """
    for code in HELD_IN:
        for commodity in SUPPLIED:
            for day, arrived, left, _ in _flows(code, commodity, planted_on):
                if not first <= day <= last:
                    continue
                farm, market = f"TANI-{code}", f"TOKO-{code}"
                for route, origin, target, kg, hours in (
                    (f"PANEN-{code}", farm, holder(code), arrived, (5, 7)),
                    (f"DISTRIBUSI-{code}", holder(code), market, left, (9, 12)),
                ):
                    if kg > 0:
                        yield {
                            "event_id": f"sim-delivery-{route}-{commodity}-{day}",
                            "event_time": local_time(day, code, hours[1]),
                            "route_id": route,
                            "origin": origin,
                            "destination": target,
                            "commodity": commodities()[commodity].name,
                            "quantity_kg": float(kg),
                            "departed_at": local_time(day, code, hours[0]),
                            "arrived_at": local_time(day, code, hours[1]),
                        }
    begin = first if first > planted_on else planted_on - timedelta(days=ROUTE_DAYS)
    for number in range((last - begin).days):
        day = begin + timedelta(days=number)
        dice = random.Random(f"{ROUTE} {day}")  # noqa: S311
        departed = datetime.combine(day, time(5), ZoneInfo("Asia/Jakarta"))
        arrived_at = departed + timedelta(hours=ROUTE_KM / ROUTE_KM_PER_HOUR * dice.gauss(1, 0.04))
        yield {
            "event_id": f"sim-delivery-{ROUTE}-{day}",
            "event_time": arrived_at.isoformat(),
            "route_id": ROUTE,
            "origin": provinces()[PLENTY_REGION].name,
            "destination": provinces()[SCARCE_REGION].name,
            "commodity": commodities()["beras-premium"].name,
            "quantity_kg": float(dice.randrange(5000, 9000, 100)),
            "distance_km": ROUTE_KM,
            "departed_at": departed.isoformat(),
            "arrived_at": arrived_at.isoformat(),
        }


def posts(country: Country, planted_on: date, first: date, last: date) -> Iterator[dict[str, object]]:
    """Payloads of headlines from `first` to `last`, with a first history those of POST_DAYS.

    They report how the prices of the week moved; in the week before the planted day also what is scarce.
    """
    begin = first if first > planted_on else planted_on - timedelta(days=POST_DAYS)
    places = [provinces()[code].name for code in HELD_IN]
    for number in range((last - begin).days + 1):
        day = begin + timedelta(days=number)
        dice = random.Random(f"posts {day}")  # noqa: S311
        headlines = [
            (commodity, dice.choice(_headlines(country.change(commodity, day))))
            for commodity in dice.choices(TALKED_OF, k=3)
        ]
        if 0 <= (planted_on - day).days < 7:
            headlines += [(SHORTAGE, text) for text in SCARCE_HEADLINES]
        for nth, (commodity, text) in enumerate(headlines):
            named = commodities()[commodity]
            post_id = f"sim-post-{day}-{nth}"
            yield {
                "event_id": post_id,
                "event_time": local_time(day, "31", 7 + nth),
                "post_id": post_id,
                "source": "news",
                "text": f"{text.format(name=named.name.lower(), place=dice.choice(places))} ({day:%d-%m})",
                "lang": "id",
            }


def _headlines(change: float) -> tuple[str, ...]:
    """The headlines that report such a change of log price in a week."""
    if abs(change) < NEWSWORTHY:
        return STAYS
    return RISES if change > 0 else FALLS
