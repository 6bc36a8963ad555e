"""A small chain farmer -> distributor -> warehouse -> market whose every kilogram is known."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]
FIRST = datetime(2026, 3, 1, 1, tzinfo=UTC)  # 08.00 in Jakarta
HOLDERS = {"TANI-1": "farmer", "DIST-1": "distributor", "GUDANG-1": "warehouse"}
STEPS = (("TANI-1", "DIST-1"), ("DIST-1", "GUDANG-1"), ("GUDANG-1", "PASAR-001"))
COMMODITY = "bawang-merah"


@dataclass
class Chain:
    """What happened: rows of silver.stocks and silver.shipments, and kilograms by holder."""

    stocks: list[Row] = field(default_factory=list)
    shipments: list[Row] = field(default_factory=list)
    sent: float = 0.0
    received: float = 0.0
    in_transit: float = 0.0
    lost: dict[str, float] = field(default_factory=dict)  # by holder, on the last day


def simulate(days: int, seed: int, lost_share: float = 0.0) -> Chain:
    """The chain for some days. On the last one the warehouse loses a share of its stock."""
    rng = random.Random(seed)
    chain = Chain()
    held = dict.fromkeys(HOLDERS, 100_000.0)
    arrivals: list[tuple[int, str, float]] = []  # day, destination, kg
    for day in range(days):
        for arrival in [arrival for arrival in arrivals if arrival[0] == day]:
            arrivals.remove(arrival)
            chain.received += arrival[2]
            if arrival[1] in held:
                held[arrival[1]] += arrival[2]
        if day:  # before the first report nothing moves
            for origin, destination in STEPS:
                kg = float(rng.randrange(500, 2000))
                held[origin] -= kg
                chain.sent += kg
                arrivals.append((day + rng.randrange(1, 4), destination, kg))
                chain.shipments += delivery(
                    len(chain.shipments), day, origin, destination, kg, arrivals[-1][0], days
                )
        if day == days - 1 and lost_share:
            chain.lost["GUDANG-1"] = lost_share * held["GUDANG-1"]
            held["GUDANG-1"] -= chain.lost["GUDANG-1"]
        chain.stocks += [
            stock(len(chain.stocks) + n, name, day, kg) for n, (name, kg) in enumerate(held.items())
        ]
    chain.in_transit = sum(kg for _, _, kg in arrivals)
    return chain


def stock(number: int, holder: str, day: int, kg: float, **more: Any) -> Row:
    """A row of silver.stocks, counted in the evening."""
    time = FIRST + timedelta(days=day, hours=12)
    return {
        "event_id": f"s{number:05}",
        "entity_id": holder,
        "entity_type": HOLDERS.get(holder, "warehouse"),
        "commodity": COMMODITY,
        "quantity_kg": kg,
        "capacity_kg": None,
        "region_code": "32",
        "region": "Jawa Barat",
        "event_time": time,
        "market_date": (time + timedelta(hours=7)).date(),
        "event_month": f"{time:%Y-%m}",
        **more,
    }


def delivery(
    number: int, day: int, origin: str, destination: str, kg: float, arrival: int, days: int
) -> list[Row]:
    """Rows of silver.shipments: under way, and again on arrival within the simulated days."""
    departed = FIRST + timedelta(days=day)
    arrived = FIRST + timedelta(days=arrival)
    row = {
        "event_id": f"d{number:05}",
        "route_id": f"{origin}-{destination}",
        "origin": origin,
        "origin_region_code": "32",
        "destination": destination,
        "destination_region_code": "32",
        "commodity": COMMODITY,
        "quantity_kg": kg,
        "distance_km": 120.0,
        "departed_at": departed,
        "arrived_at": None,
        "travel_hours": None,
        "event_time": departed,
        "event_month": f"{departed:%Y-%m}",
    }
    if arrival >= days:
        return [row]
    hours = (arrived - departed).total_seconds() / 3600
    later = {"event_id": f"a{number:05}", "arrived_at": arrived, "travel_hours": hours, "event_time": arrived}
    return [row, row | later]
