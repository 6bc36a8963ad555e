"""Years of daily prices of the simulated markets, as a CSV for `replay`: training data of a demonstration."""

import csv
import random
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from lakehouse.reference import Commodity, commodities, markets, provinces
from producers.simulate.markets import PROVINCE_SPREAD, price_on

HEADER = ("event_id", "market_id", "commodity", "price", "unit", "event_time", "region")
FIRST = date(2024, 1, 1)  # every walk begins here, so that a day has the same price on every run
DAYS = 730  # written: one year for training, one year of origins for evaluation
MARKETS = 12
# Reported every day; chillies and shallot move, rice hardly does.
COMMODITIES = (
    "cabai-rawit-merah",
    "cabai-merah-keriting",
    "bawang-merah",
    "telur-ayam-ras",
    "beras-medium",
    "beras-premium",
    "gula-konsumsi",
    "daging-ayam-ras",
)
REPORTED_AT = time(9)
# Shares of a day's move that the country has in common and that a series has alone; their squares sum to 1.
NATIONAL_SHARE = 0.6
OWN_SHARE = 0.8
PERSISTENCE = 0.99  # share of the distance to the usual level that remains on the next day
MISSING = 0.04  # share of days without a report


def rows(last: date, days: int = DAYS, seed: int = 1, count: int = MARKETS) -> Iterator[tuple[object, ...]]:
    """Rows of HEADER of the `days` days up to `last`; the same seed and day give the same rows."""
    places = [market for market in markets().values() if market.level == "market"][:count]
    listed = [commodities()[name] for name in COMMODITIES]
    dice = random.Random(seed)  # noqa: S311
    spread = {place.region_code: dice.gauss(0, PROVINCE_SPREAD) for place in places}
    nation = dict.fromkeys(COMMODITIES, 0.0)
    own = {(place.market_id, name): 0.0 for place in places for name in COMMODITIES}
    for day in (FIRST + timedelta(days=number) for number in range((last - FIRST).days + 1)):
        for commodity in listed:
            nation[commodity.id] = PERSISTENCE * nation[commodity.id] + dice.gauss(
                0, NATIONAL_SHARE * commodity.daily_volatility
            )
            for place in places:
                series = (place.market_id, commodity.id)
                own[series] = PERSISTENCE * own[series] + dice.gauss(
                    0, OWN_SHARE * commodity.daily_volatility
                )
                if dice.random() < MISSING or (last - day).days >= days:
                    continue
                deviation = spread[place.region_code] + nation[commodity.id] + own[series]
                yield _row(commodity, place.market_id, place.region_code, day, deviation, seed)


def _row(
    commodity: Commodity, market_id: str, region_code: str, day: date, deviation: float, seed: int
) -> tuple[object, ...]:
    price = price_on(commodity, day, deviation)
    province = provinces()[region_code]
    reported_at = datetime.combine(day, REPORTED_AT, ZoneInfo(province.timezone)).isoformat()
    event_id = f"sim-history-{seed}-{market_id}-{commodity.id}-{day}"
    return event_id, market_id, commodity.name, price, commodity.unit, reported_at, province.name


def write(file: Path, last: date) -> int:
    """Write the history up to `last`; returns the number of prices."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        written = 0
        for row in rows(last):
            writer.writerow(row)
            written += 1
    return written


if __name__ == "__main__":
    write(Path(sys.argv[1]), datetime.now(ZoneInfo("Asia/Jakarta")).date() - timedelta(days=1))
