"""The history of the simulated country: the same on every run, continued by the live markets."""

import csv
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

import orjson
import pytest

from lakehouse.contracts.contract import kinds
from lakehouse.event import faults
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import format_of
from lakehouse.reference import commodities
from producers.simulate import history, supply
from producers.simulate.markets import SampleMarkets
from producers.simulate.planted import (
    DRIFTING_DEVICE,
    LOSING_HOLDER,
    LOSS_DAYS,
    SILENT_DAYS,
    SILENT_MARKET,
    WRONG_PRICES,
    SamplePlan,
    read_plan,
)
from producers.simulate.walk import SHORTAGE, SHORTAGE_REGIONS, walk

NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
PLAN = SamplePlan(NOW)
LAST = PLAN.planted_on


def prices(first: date, last: date) -> dict[str, dict[str, object]]:
    """Event id -> payload."""
    payloads = history.prices(walk(last, LAST), LAST, first, last)
    return {str(payload["event_id"]): payload for payload in payloads}


def test_day_has_the_same_price_on_every_run():
    earlier = prices(LAST - timedelta(days=20), LAST)
    later = prices(LAST - timedelta(days=10), LAST + timedelta(days=9))
    both = earlier.keys() & later.keys()
    assert len(both) > 2500 and all(earlier[event_id] == later[event_id] for event_id in both)


def test_every_commodity_is_reported_for_more_than_a_year():
    days: dict[str, set[object]] = defaultdict(set)
    for payload in prices(LAST - timedelta(days=400), LAST).values():
        days[str(payload["commodity"])].add(payload["event_time"])
    listed = {commodity.name for commodity in commodities().values() if not commodity.is_group}
    assert {name for name, times in days.items() if len(times) > 365} == listed


def test_live_markets_continue_the_history(lone_home: Path) -> None:
    plan = read_plan(datetime.now(UTC))
    yesterday = plan.planted_on
    before = {
        (payload["market_id"], payload["commodity"]): payload["price"]
        for payload in history.prices(walk(yesterday, yesterday), yesterday, yesterday, yesterday)
    }
    live: dict[tuple[str, str], list[float]] = defaultdict(list)
    for message in islice(SampleMarkets(7, "test", 12, 0.0).messages(), 6000):
        payload = orjson.loads(message.payload)
        if "price" in payload:
            live[payload["market_id"], payload["commodity"]].append(payload["price"])
    volatility = {commodity.name: commodity.daily_volatility for commodity in commodities().values()}
    both = before.keys() & live.keys() - {(error.market_id, error.name) for error in WRONG_PRICES}
    moves = [
        abs(median(live[series]) / float(str(before[series])) - 1) / volatility[series[1]] for series in both
    ]
    assert len(moves) > 250 and median(moves) < 1.5
    wrong = {(error.market_id, commodities()[error.commodity].name) for error in WRONG_PRICES}
    assert all(move < 7 for move, series in zip(moves, both, strict=True) if series not in wrong)


def test_planted_faults_are_in_the_history_and_nowhere_else():
    country = walk(LAST, LAST)
    payloads = prices(LAST - timedelta(days=27), LAST)
    for error in WRONG_PRICES:
        payload = payloads[error.event_id(LAST)]
        number = [commodity.id for commodity in country.listed].index(error.commodity)
        place = [market.market_id for market in country.places].index(error.market_id)
        true = country.price(number, place, error.day(LAST))
        assert payload["price"] == pytest.approx(true * error.factor, abs=0.01)
        assert (payload["commodity"] != commodities()[error.commodity].name) == bool(error.name)
    last_days = {
        str(payload["event_time"])[:10]
        for payload in payloads.values()
        if payload["market_id"] == SILENT_MARKET
    }
    assert max(last_days) == str(LAST - timedelta(days=SILENT_DAYS))


def test_shortage_raises_prices_of_its_provinces_alone():
    quiet, short = walk(LAST, LAST + timedelta(days=400)), walk(LAST, LAST)
    number = [commodity.id for commodity in short.listed].index(SHORTAGE)
    differs = (short.deviation - quiet.deviation)[number, :, -1]
    hit = [place.region_code in SHORTAGE_REGIONS for place in short.places]
    assert all((difference > 0.3) == is_hit for difference, is_hit in zip(differs, hit, strict=True))


def test_files_are_of_known_formats_and_recent_days_hold_every_kind(lone_home: Path) -> None:
    country = walk(LAST, LAST)
    folder = history.write_files(country, PLAN)
    assert {format_of(file, None).name for file in folder.iterdir()} == {
        "price_long",
        "weather_long",
        "macro_long",
    }
    for file in folder.iterdir():
        with file.open() as lines:
            assert len(list(csv.reader(lines))) > 80
        row = next(FileEvents(file, format_of(file, None)).rows())
        assert row.payload is not None and faults(dict(row.payload), [row.kind]) == []
    sent = [
        history.event(kind, payload, NOW)
        for kind, payload in history.recent(country, PLAN, PLAN.files_until + timedelta(days=1), LAST, NOW)
    ]
    sent_kinds = {event.kind for event in sent}
    assert (
        sent_kinds == {"price", "weather", "macro", "stock", "shipment", "post", "sensor"} <= kinds().keys()
    )
    assert all(faults(orjson.loads(event.value), [event.kind]) == [] for event in sent)
    assert len({event.event_id for event in sent}) == len(sent)


def test_headlines_report_how_prices_moved():
    country = walk(LAST, LAST)
    reported = set()
    names = {commodity: commodities()[commodity].name.lower() for commodity in supply.TALKED_OF}
    for post in supply.posts(country, LAST, LAST - timedelta(days=200), LAST - timedelta(days=20)):
        day = date.fromisoformat(str(post["event_time"])[:10])
        (commodity,) = [commodity for commodity, name in names.items() if name in str(post["text"])]
        change = country.change(commodity, day)
        rises, falls = (word in str(post["text"]) for word in (" naik ", " turun,"))
        assert (rises, falls) == (change >= supply.NEWSWORTHY, change <= -supply.NEWSWORTHY)
        reported.add((rises, falls))
    assert len(reported) == 3


def test_stock_follows_from_deliveries_but_for_the_planted_loss():
    first = LAST - timedelta(days=20)
    moved: dict[tuple[object, object, str], float] = defaultdict(float)
    for delivery in supply.deliveries(LAST, first, LAST):
        day = str(delivery["arrived_at"])[:10]
        kg = float(str(delivery["quantity_kg"]))
        moved[delivery["destination"], delivery["commodity"], day] += kg
        moved[delivery["origin"], delivery["commodity"], day] -= kg
    before: dict[tuple[object, object], float] = {}
    unexplained = []
    for stock in supply.stocks(LAST, first, LAST):
        series = (stock["entity_id"], stock["commodity"])
        held, day = float(str(stock["quantity_kg"])), str(stock["event_time"])[:10]
        if series in before and held != before[series] + moved[*series, day]:
            unexplained.append((stock["entity_id"], day))
        before[series] = held
    assert unexplained == [(LOSING_HOLDER, str(LAST - timedelta(days=LOSS_DAYS)))]


def test_drifting_device_leaves_its_peers_within_the_last_hours():
    by_device: dict[object, list[float]] = defaultdict(list)
    country = walk(LAST, LAST)
    for payload in history.readings(country, NOW, NOW - timedelta(hours=8), NOW):
        if payload["market_id"] == "PASAR-001":
            by_device[payload["device_id"]].append(float(str(payload["temperature_c"])))
    drifting = by_device.pop(DRIFTING_DEVICE)
    gaps = [own - median(others) for own, *others in zip(drifting, *by_device.values(), strict=True)]
    assert abs(median(gaps[:24])) < 1 and median(gaps[-6:]) > 4


def test_plan_is_kept_between_runs(lone_home: Path) -> None:
    for plan in (PLAN, SamplePlan(NOW, NOW + timedelta(hours=1))):
        plan.write()
        assert read_plan(NOW + timedelta(days=3)) == plan


def test_next_run_sends_what_is_new_alone():
    later = NOW + timedelta(days=1, hours=2)
    country = walk(LAST + timedelta(days=1), LAST)

    def ids(plan: SamplePlan, first: date, last: date, now: datetime) -> set[str]:
        return {
            history.event(kind, payload, now).event_id
            for kind, payload in history.recent(country, plan, first, last, now)
        }

    sent = ids(PLAN, PLAN.files_until + timedelta(days=1), LAST, NOW)
    new = ids(SamplePlan(NOW, NOW), LAST + timedelta(days=1), LAST + timedelta(days=1), later)
    assert len(new) > 300 and not sent & new
    assert not ids(SamplePlan(NOW, NOW), LAST + timedelta(days=1), LAST, NOW), "twice on one day"
