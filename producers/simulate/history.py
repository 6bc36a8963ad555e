"""The past of the simulated country: years of prices, weather and macro figures, recent days of every kind.

`python -m producers.simulate.history` sends what is missing up to yesterday, and the last day of the sensors.
Years are files that go through `replay`; recent days are published as the devices would have sent them.
"""

import csv
import logging
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
from rich.progress import track

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import stopped_by_signals
from conf.settings import settings
from lakehouse.event import Event, series_key
from lakehouse.io.kafka import EventSink, NotAcknowledged
from lakehouse.io.terminal import console, fail
from lakehouse.reference import provinces
from lakehouse.times import rfc3339
from producers.csv.replay import files_at, replay
from producers.simulate.markets import device_of, reading
from producers.simulate.planted import (
    DRIFT_C_AN_HOUR,
    DRIFT_HOURS,
    DRIFTING_DEVICE,
    MOST_DRIFT_C,
    SEED,
    SILENT_DAYS,
    SILENT_MARKET,
    WRONG_PRICES,
    SamplePlan,
    day_before,
    folder,
    price_id,
    read_plan,
)
from producers.simulate.supply import HELD_IN, deliveries, posts, stocks
from producers.simulate.walk import FIRST, Country, local_time, walk

log = logging.getLogger("lumbung.history")
PRICE_HEADER = ("event_id", "market_id", "commodity", "price", "unit", "event_time", "region")
WEATHER_HEADER = ("station_id", "region", "date", "temperature_c", "humidity_pct", "rainfall_mm")
# Prices of Jawa Barat, with the months' inflation, where LUMBUNG_SHARED has them.
PUBLISHED_PRICES = "jabar_price_weather_daily/dataset_vegenation.csv"
PUBLISHED = {("32", commodity) for commodity in ("bawang-merah", "bawang-putih", "cabai-rawit-merah")}
MACRO_HEADER = ("indicator", "period", "value", "unit", "released_at", "source")
# Reported for years, so that models have a year to learn from and a year to be evaluated on.
LONG = (
    "cabai-rawit-merah",
    "cabai-merah-keriting",
    "bawang-merah",
    "telur-ayam-ras",
    "beras-medium",
    "beras-premium",
    "gula-konsumsi",
    "daging-ayam-ras",
)
LONG_DAYS = 960
DAYS = 420  # of the other commodities: enough for a change over a year
WEATHER_DAYS = 760
REPORTED_HOUR = 9
MISSING = 0.04  # share of days without a report
SENSOR_HOURS = 8
SLOT = timedelta(minutes=5)  # a sensor of the market with several; the others send every third
MACRO = {  # indicator: (unit, level, yearly growth, source)
    "inflation": ("percent a year", 2.6, 0.0, "simulated"),
    "fuel_coefficient": ("index", 1.0, 0.02, "simulated"),
    "fertilizer_trend": ("index", 100.0, 0.04, "simulated"),
}


def prices(
    country: Country, planted_on: date, first: date, last: date, seed: int = SEED
) -> Iterator[dict[str, object]]:
    """Payloads of PRICE_HEADER of the days from `first` to `last`, by day; wrong ones as planted.

    A series that is published does not begin before the published one ends: they would contradict.
    """
    published = published_until(settings().shared / "data" / PUBLISHED_PRICES)
    wrong = {error.event_id(planted_on, seed): error for error in WRONG_PRICES}
    silent_since = planted_on - timedelta(days=SILENT_DAYS - 1)
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        dice = random.Random(f"{seed} {day}")  # noqa: S311
        for nth, commodity in enumerate(country.listed):
            is_listed = commodity.id in LONG or (planted_on - day).days < DAYS
            for at, place in enumerate(country.places):
                is_missing = dice.random() < MISSING
                event_id = price_id(seed, place.market_id, commodity.id, day)
                error = wrong.get(event_id)
                is_silent = place.market_id == SILENT_MARKET and silent_since <= day <= planted_on
                is_published = (place.region_code, commodity.id) in PUBLISHED and day <= published
                if not is_listed or is_silent or is_published or (is_missing and not error):
                    continue
                price = country.price(nth, at, day)
                yield {
                    "event_id": event_id,
                    "market_id": place.market_id,
                    "commodity": error.name if error and error.name else commodity.name,
                    "price": round(price * error.factor, 2) if error else price,
                    "unit": commodity.unit,
                    "event_time": local_time(day, place.region_code, REPORTED_HOUR),
                    "region": provinces()[place.region_code].name,
                }


def published_until(file: Path) -> date:
    """The last day of the published prices; the first of the walk where there are none."""
    if not file.exists():
        return FIRST
    with file.open(encoding="utf-8-sig") as lines:
        *_, last = csv.reader(lines)
    return date.fromisoformat(last[0])


def weather(country: Country, first: date, last: date, seed: int = SEED) -> Iterator[dict[str, object]]:
    """Payloads of WEATHER_HEADER, one a province and day."""
    stations = {place.region_code: at for at, place in reversed(list(enumerate(country.places)))}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        dice = random.Random(f"weather {seed} {day}")  # noqa: S311
        for code, at in stations.items():
            if code not in HELD_IN:
                continue
            rain = float(country.rain_mm[at, (day - FIRST).days])
            wet = math.tanh(rain / 30)
            yield {
                "event_time": local_time(day + timedelta(days=1), code, 0),
                "station_id": f"SIM-{code}",
                "region": provinces()[code].name,
                "date": day.isoformat(),
                "temperature_c": round(27.8 - 1.8 * wet + dice.gauss(0, 0.6), 1),
                "humidity_pct": round(min(99.0, 74 + 14 * wet + dice.gauss(0, 3)), 1),
                "rainfall_mm": rain,
            }


def macro(first: date, last: date, seed: int = SEED) -> Iterator[dict[str, object]]:
    """Payloads of MACRO_HEADER released from `first` to `last`: a month's on the first of the next."""
    month = (first.replace(day=1) - timedelta(days=40)).replace(day=1)
    while (release := (month + timedelta(days=32)).replace(day=1)) <= last:
        if release < first:
            month = release
            continue
        dice = random.Random(f"macro {seed} {month}")  # noqa: S311
        released_at = local_time(release, "31", 11)
        years = (month - FIRST).days / 365.25
        for indicator, (unit, level, growth, source) in MACRO.items():
            yield {
                "event_time": released_at,
                "indicator": indicator,
                "period": f"{month:%Y-%m}",
                "value": round(level * (1 + growth) ** years * (1 + dice.gauss(0, 0.02)), 3),
                "unit": unit,
                "released_at": released_at,
                "source": source,
            }
        month = release


def readings(
    country: Country, first_run: datetime, first: datetime, last: datetime
) -> Iterator[dict[str, object]]:
    """Payloads of sensors from `first` to `last`: three in the first market, one of which drifts."""
    steps = int((last - first) / SLOT)
    drifts_since = first_run - timedelta(hours=DRIFT_HOURS)
    for step in range(steps):
        at = first + step * SLOT
        for place in country.places:
            if place.market_id == SILENT_MARKET:
                continue
            devices = [device_of(place.market_id)]
            if DRIFTING_DEVICE.startswith(devices[0]):
                devices += [f"{devices[0]}-B", DRIFTING_DEVICE]
            elif step % 3:
                continue
            for device in devices:
                hours = (at - drifts_since) / timedelta(hours=1) if device == DRIFTING_DEVICE else 0.0
                drift = min(max(hours * DRIFT_C_AN_HOUR, 0.0), MOST_DRIFT_C)
                yield {
                    "event_id": f"sim-reading-{device}-{at:%Y%m%dT%H%M}",
                    "event_time": rfc3339(at),
                    "market_id": place.market_id,
                    "device_id": device,
                    **reading(place, at, random.Random(f"{device} {at}"), drift),  # noqa: S311
                }


def write_files(country: Country, plan: SamplePlan) -> Path:
    """Write prices, weather and macro figures up to the plan's `files_until`; returns their folder."""
    target = folder() / f"until-{plan.files_until}"
    target.mkdir(parents=True, exist_ok=True)
    first = plan.planted_on - timedelta(days=LONG_DAYS - 1)
    last = plan.files_until
    tables = {
        "prices.csv": (PRICE_HEADER, prices(country, plan.planted_on, first, last)),
        "weather.csv": (WEATHER_HEADER, weather(country, last - timedelta(days=WEATHER_DAYS - 1), last)),
        "macro.csv": (MACRO_HEADER, macro(first, last)),
    }
    for name, (header, payloads) in tables.items():
        with (target / name).open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, header, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(payloads)
    return target


def recent(
    country: Country, plan: SamplePlan, first: date, last: date, now: datetime
) -> Iterator[tuple[str, dict[str, object]]]:
    """(kind, payload) of all that happened from `first` to `last`, and of the sensors of the last day."""
    planted_on = plan.planted_on
    sensors_since = slot_of(now) - timedelta(hours=SENSOR_HOURS)
    for kind, payloads in (
        ("weather", weather(country, first, last)),
        ("macro", macro(first, last)),
        ("price", prices(country, planted_on, first, last)),
        ("shipment", deliveries(planted_on, first, last)),
        ("stock", stocks(planted_on, first, last)),
        ("post", posts(country, planted_on, first, last)),
        (
            "sensor",
            readings(
                country,
                plan.first_run,
                max(sensors_since, slot_of(plan.last_run or sensors_since)),
                slot_of(now),
            ),
        ),
    ):
        for payload in payloads:
            yield kind, payload


def slot_of(now: datetime) -> datetime:
    """The five minutes that a moment lies in."""
    return now - timedelta(minutes=now.minute % 5, seconds=now.second, microseconds=now.microsecond)


def event(kind: str, payload: dict[str, object], now: datetime) -> Event:
    """The event of a payload; a station's day and an indicator's month are their own identity."""
    if kind == "weather":
        payload = {"event_id": f"sim-weather-{payload['station_id']}-{payload['date']}", **payload}
    elif kind == "macro":
        payload = {"event_id": f"sim-macro-{payload['indicator']}-{payload['period']}", **payload}
    event_id = str(payload["event_id"])
    return Event(
        kind, series_key(kind, payload, event_id), orjson.dumps(payload), event_id, "sim:history", now
    )


def main() -> ExitCode:
    """Send what is missing. An interrupted run is continued by the next."""
    now = datetime.now(UTC)
    plan = read_plan(now)
    plan.write()
    yesterday = day_before(now)
    country = walk(yesterday, plan.planted_on, SEED)
    if plan.last_run is None:
        files = files_at(write_files(country, plan), None)
        code = replay(files, pace=None, restart=False, as_json=False, stopping=stopped_by_signals(log))
        if code is not ExitCode.DONE:
            return code
    sent_until = day_before(plan.last_run) if plan.last_run else plan.files_until
    first = sent_until + timedelta(days=1)
    events = [event(kind, payload, now) for kind, payload in recent(country, plan, first, yesterday, now)]
    sink = EventSink()
    try:
        for sent in track(events, "recent days", console=console):
            sink.send(sent)
        sink.flush()
    except NotAcknowledged as error:
        fail(f"Kafka did not acknowledge everything ({error})", ExitCode.FAILED)
    replace(plan, last_run=now).write()
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
