"""Years of daily prices of the sample markets -> a CSV that the file door reads: what models of a demonstration learn from."""

import csv
import math
import random
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from lakehouse.reference import Commodity, commodities, markets, provinces
from producers.sample_markets import PROVINCE_SPREAD, holiday_share, season_share

HEADER = ("event_id", "market_id", "commodity", "price", "unit", "event_time", "region")
FIRST = date(2024, 1, 1)  # every walk begins here, so that a day has one price whenever it is asked for
DAYS = 730  # told of them: a first year to learn from, then as many origins as judge a model
MARKETS = 12
# Goods that are reported every day; chillies and shallot move, rice hardly does.
GOODS = ("cabai-rawit-merah", "cabai-merah-keriting", "bawang-merah", "telur-ayam-ras", "beras-medium", "beras-premium",
         "gula-konsumsi", "daging-ayam-ras")  # fmt: skip
REPORTED_AT = time(9)
NATIONAL_SHARE, OWN_SHARE = 0.6, 0.8  # how much of a day's move the country shares; both squared and summed: 1
KEPT = 0.99  # of the distance to the usual level, from day to day
MISSING = 0.04  # share of days without a report
ROUNDED_TO_IDR = 50


def rows(last: date, days: int = DAYS, seed: int = 1, count: int = MARKETS) -> Iterator[tuple[object, ...]]:
    """Rows of HEADER of the `days` days up to `last`, day by day; the same seed and day give the same rows."""
    places = [market for market in markets().values() if market.level == "market"][:count]
    goods = [commodities()[name] for name in GOODS]
    dice = random.Random(seed)  # noqa: S311
    spread = {place.region_code: dice.gauss(0, PROVINCE_SPREAD) for place in places}
    nation = dict.fromkeys(GOODS, 0.0)
    own = {(place.market_id, name): 0.0 for place in places for name in GOODS}
    for day in (FIRST + timedelta(days=number) for number in range((last - FIRST).days + 1)):
        for good in goods:
            nation[good.id] = KEPT * nation[good.id] + dice.gauss(0, NATIONAL_SHARE * good.daily_volatility)
            for place in places:
                series = (place.market_id, good.id)
                own[series] = KEPT * own[series] + dice.gauss(0, OWN_SHARE * good.daily_volatility)
                if dice.random() < MISSING or (last - day).days >= days:
                    continue
                level = math.exp(spread[place.region_code] + nation[good.id] + own[series])
                yield _row(good, place.market_id, place.region_code, day, level, seed)


def _row(good: Commodity, market_id: str, region_code: str, day: date, level: float, seed: int) -> tuple[object, ...]:
    price = good.typical_idr * (1 + season_share(good, day) + holiday_share(good.group, day)) * level
    province = provinces()[region_code]
    said = datetime.combine(day, REPORTED_AT, ZoneInfo(province.timezone)).isoformat()
    rounded = max(ROUNDED_TO_IDR, round(price / ROUNDED_TO_IDR) * ROUNDED_TO_IDR)
    event_id = f"sim-history-{seed}-{market_id}-{good.id}-{day}"
    return event_id, market_id, good.name, rounded, good.unit, said, province.name


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
