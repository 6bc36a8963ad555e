"""The simulator: seeded, believable, marked as simulated, and every message acknowledged through the real gateway."""

import os
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from statistics import median

import orjson
import pytest
from rich.progress import Progress

from conf.settings import REPO, settings
from lakehouse.event import DEAD_LETTERS, faults, lenient_payload
from lakehouse.reference import commodities, commodity_aliases, matching_key
from producers import simulate as simulate_module
from producers.sample_markets import HOLIDAY_PEAK, Message, SampleMarkets, holiday_share, idul_fitri
from producers.simulate import Run
from tests.conftest import Broker, headers_of
from tests.integration.stack import free_ports
from tests.producers.test_mqtt_door import gateway

COUNT = 4000


def sample(seed: int = 1, bad_share: float = 0.0, count: int = COUNT) -> list[Message]:
    return list(islice(SampleMarkets(seed, "test", 12, bad_share).messages(), count))


def prices(messages: list[Message]) -> list[tuple[str, float]]:
    said = [orjson.loads(message.payload) for message in messages]
    return [(one["commodity"], one["price"]) for one in said if "price" in one]


def simulate(*arguments: str, **knobs: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "producers.simulate", *arguments]
    return subprocess.run(command, cwd=REPO, env={**os.environ, **knobs}, capture_output=True, text=True, timeout=60)


def test_a_seed_gives_the_same_prices_and_another_seed_others():
    assert prices(sample(7, count=300)) == prices(sample(7, count=300)) != prices(sample(8, count=300))


def test_every_sample_message_passes_the_strict_door_and_is_marked_as_simulated():
    for message in sample():
        market, device, kind = message.topic.split("/")[2:]
        payload = orjson.loads(message.payload)
        assert faults(payload, [kind]) == []
        assert payload["market_id"] == market == message.market_id
        assert payload["device_id"] == device and device.startswith("SIM-") and payload["event_id"].startswith("sim-")


def test_prices_stay_near_their_published_level_and_within_their_bounds():
    by_good: dict[str, list[float]] = {}
    for name, price in prices(sample()):
        by_good.setdefault(name, []).append(price)
    goods = [good for good in commodities().values() if not good.is_group]
    assert by_good.keys() == {good.name for good in goods}
    for good in goods:
        low, high = good.band_idr
        assert all(low <= price <= high for price in by_good[good.name]), good.name
        assert 0.55 < median(by_good[good.name]) / good.typical_idr < 1.8, good.name


def test_prices_peak_at_idul_fitri_and_fall_back():
    feast = idul_fitri(2024)
    assert feast == date(2024, 4, 10)
    for group, peak in HOLIDAY_PEAK.items():
        path = [holiday_share(group, date.fromordinal(feast.toordinal() + days)) for days in (-20, -7, 0, 3, 10)]
        assert path[0] == 0 < path[1] < path[2] == peak > path[3] > path[4] == 0
    assert holiday_share("oil", feast) == 0


def test_the_asked_share_is_bad_each_with_a_fault_that_a_rule_or_a_door_finds():
    messages = sample(bad_share=0.1)
    wrong, now = Counter[str](), datetime.now(UTC)
    for message in messages:
        payload, kind = lenient_payload(message.payload), message.topic.rsplit("/", 1)[1]
        if payload is None:
            wrong["unreadable"] += 1
        elif found := faults(payload, [kind]):
            wrong[found[0].code] += 1
        elif (datetime.fromisoformat(payload["event_time"]) - now).total_seconds() > 3600:
            wrong["event_time_future"] += 1
        elif kind == "price" and not _believable(payload):
            wrong["commodity or band"] += 1
    assert 0.08 < sum(wrong.values()) / len(messages) < 0.12
    assert wrong.keys() == {
        "unreadable",
        "price_positive",
        "price_required",
        "temperature_range",
        "event_time_future",
        "commodity or band",
    }


def _believable(payload: dict[str, object]) -> bool:
    known = commodity_aliases().get(matching_key(str(payload["commodity"])))
    good = commodities().get(known) if known else None
    return good is not None and good.band_idr[0] <= float(str(payload["price"])) <= good.band_idr[1]


def test_what_it_says_was_acknowledged_is_in_kafka_once(broker: Broker, home: Path):
    since = broker.ends()
    with gateway() as (_, port):
        done = simulate("all", "--rate", "100", "--seconds", "2", "--bad-pct", "10", "--json", LUMBUNG_MQTT__PORT=str(port))
    assert done.returncode == 0, done.stderr
    said = orjson.loads(done.stdout)
    assert (said["sent"], said["acknowledged"]) == (200, 200)
    found = [one for topic in ("lumbung.price", "lumbung.sensor") for one in broker.records(since, topic, 1)]
    assert len(found) == 200 and broker.records(since, DEAD_LETTERS, 0, 1) == []
    assert {headers_of(one)["source"].split("-")[0] for one in found} == {"mqtt:SIM"}


def test_a_slow_gateway_slows_it_and_loses_nothing(broker: Broker, home: Path):
    since = broker.ends()
    slow = {"LUMBUNG_MQTT__MESSAGES_PER_SECOND": "40", "LUMBUNG_MQTT__BURST": "10"}
    with gateway(**slow) as (_, port):
        arguments = ("1", "--rate", "200", "--seconds", "1", "--markets", "2", "--bad-pct", "0")
        done = simulate(*arguments, LUMBUNG_MQTT__PORT=str(port), **slow)
    assert done.returncode == 0 and "200 of 200" in done.stdout and "--markets" in done.stderr
    assert sum(len(broker.records(since, topic, 1)) for topic in ("lumbung.price", "lumbung.sensor")) == 200


def test_it_waits_for_the_gateway_instead_of_filling_memory(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulate_module, "UNACKNOWLEDGED", 20)
    most = 0

    class Watched(Run):
        @property
        def acknowledged(self) -> int:
            nonlocal most
            most = max(most, self.sent - super().acknowledged)
            return super().acknowledged

    with gateway(LUMBUNG_MQTT__MESSAGES_PER_SECOND="60", LUMBUNG_MQTT__BURST="5") as (_, port):
        monkeypatch.setenv("LUMBUNG_MQTT__PORT", str(port))
        settings.cache_clear()
        run = Watched(SampleMarkets(1, "test", 1, 0.0), 1000, 0.15, threading.Event())
        with Progress(disable=True) as bar:
            run.go(bar)
        run.close()
    assert run.sent == run.acknowledged == 150 and 10 < most <= 20


@pytest.mark.parametrize(("what", "words"), [("2", "not there yet"), ("weather", "unknown sample")])
def test_another_sample_is_wrong_usage(what: str, words: str):
    done = simulate(what)
    assert done.returncode == 2 and words in done.stderr


def test_no_gateway_is_named_with_its_remedy(home: Path):
    (port,) = free_ports(1)
    done = simulate("1", "--seconds", "1", LUMBUNG_MQTT__PORT=str(port))
    assert done.returncode == 4 and "run.sh up" in done.stderr.replace("\n", " ")
