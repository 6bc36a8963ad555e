"""The simulator: seeded, plausible, recognisable, and every message is acknowledged by the real gateway."""

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
from lakehouse.feasts import EID, feast_days_of
from lakehouse.reference import commodities, commodity_aliases, matching_key
from producers.simulate import simulator as simulate_module
from producers.simulate.markets import Message, SampleMarkets
from producers.simulate.simulator import Simulation, device_secrets
from producers.simulate.walk import HOLIDAY_PEAK, holiday_share
from scripts.stack.throwaway import free_ports
from tests.conftest import Broker, headers_of
from tests.producers.mqtt.test_session import gateway
from tests.support.waiting import eventually

COUNT = 4000


def sample(seed: int = 1, bad_share: float = 0.0, count: int = COUNT) -> list[Message]:
    return list(islice(SampleMarkets(seed, "test", 12, bad_share).messages(), count))


def prices(messages: list[Message]) -> list[tuple[str, float]]:
    payloads = [orjson.loads(message.payload) for message in messages]
    return [(payload["commodity"], payload["price"]) for payload in payloads if "price" in payload]


def simulate(*arguments: str, **knobs: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "producers.simulate.simulator", *arguments]
    return subprocess.run(
        command, cwd=REPO, env={**os.environ, **knobs}, capture_output=True, text=True, timeout=120
    )


def test_same_seed_gives_the_same_prices_and_another_seed_others():
    assert prices(sample(7, count=300)) == prices(sample(7, count=300)) != prices(sample(8, count=300))


def test_every_message_is_valid_and_recognisable_as_simulated():
    for message in sample():
        market, device, kind = message.topic.split("/")[2:]
        payload = orjson.loads(message.payload)
        assert faults(payload, [kind]) == []
        assert payload["market_id"] == market == message.market_id
        assert (
            payload["device_id"] == device
            and device.startswith("SIM-")
            and payload["event_id"].startswith("sim-")
        )


def test_prices_stay_near_their_published_level_and_within_bounds():
    by_commodity: dict[str, list[float]] = {}
    for name, price in prices(sample()):
        by_commodity.setdefault(name, []).append(price)
    listed = [commodity for commodity in commodities().values() if not commodity.is_group]
    assert by_commodity.keys() == {commodity.name for commodity in listed}
    for commodity in listed:
        low, high = commodity.band_idr
        assert all(low <= price <= high for price in by_commodity[commodity.name]), commodity.name
        assert 0.55 < median(by_commodity[commodity.name]) / commodity.typical_idr < 1.8, commodity.name


def test_prices_peak_at_idul_fitri_and_fall_back():
    feast = feast_days_of(2024, EID)[0]
    assert feast == date(2024, 4, 10)
    for group, peak in HOLIDAY_PEAK.items():
        path = [
            holiday_share(group, date.fromordinal(feast.toordinal() + days)) for days in (-20, -7, 0, 3, 10)
        ]
        assert path[0] == 0 < path[1] < path[2] == peak > path[3] > path[4] == 0
    assert holiday_share("oil", feast) == 0


def test_requested_share_is_bad_and_a_rule_or_the_gateway_finds_each_fault():
    messages = sample(bad_share=0.1)
    wrong, now = Counter[str](), datetime.now(UTC)
    for message in messages:
        payload, kind = lenient_payload(message.payload), message.topic.rsplit("/", 1)[1]
        if payload is None:
            wrong["unreadable"] += 1
        elif violations := faults(payload, [kind]):
            wrong[violations[0].code] += 1
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
    commodity = commodities().get(known) if known else None
    return (
        commodity is not None
        and commodity.band_idr[0] <= float(str(payload["price"])) <= commodity.band_idr[1]
    )


def test_acknowledged_events_are_in_kafka_once(broker: Broker, home: Path):
    since = broker.ends()
    with gateway() as (_, port):
        done = simulate(
            "all",
            "--rate",
            "100",
            "--seconds",
            "2",
            "--bad-pct",
            "10",
            "--json",
            LUMBUNG_MQTT__PORT=str(port),
        )
    assert done.returncode == 0, done.stderr
    summary = orjson.loads(done.stdout)
    assert (summary["sent"], summary["acknowledged"]) == (200, 200)
    records = [
        record for topic in ("lumbung.price", "lumbung.sensor") for record in broker.records(since, topic, 1)
    ]
    assert len(records) == 200 and broker.records(since, DEAD_LETTERS, 0) == []
    assert {headers_of(record)["source"].split("-")[0] for record in records} == {"mqtt:SIM"}
    listings = broker.records(since, "lumbung.listing", summary["listings"])
    assert summary["listings"] == len({headers_of(record)["event_id"] for record in listings}) == 200
    shops = {orjson.loads(record.value() or b"")["Shop"] for record in listings}
    assert shops == {"simulated"}, "in the shop 'main' its product numbers would replace real products"


def test_throttled_gateway_loses_nothing(broker: Broker, home: Path):
    since = broker.ends()
    limits = {"LUMBUNG_MQTT__MESSAGES_PER_SECOND": "40", "LUMBUNG_MQTT__BURST": "10"}
    with gateway(**limits) as (_, port):
        arguments = ("1", "--rate", "200", "--seconds", "1", "--markets", "2", "--bad-pct", "0")
        done = simulate(*arguments, LUMBUNG_MQTT__PORT=str(port), **limits)
    assert done.returncode == 0 and "200 of 200" in done.stdout and "--markets" in done.stderr
    assert sum(len(broker.records(since, topic, 1)) for topic in ("lumbung.price", "lumbung.sensor")) == 200


def test_simulator_waits_for_the_gateway_instead_of_filling_memory(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(simulate_module, "UNACKNOWLEDGED", 20)
    monkeypatch.setattr(simulate_module, "LAST_ACKNOWLEDGEMENTS_SECONDS", 0)
    looks = 0

    class Watched(Simulation):
        @property
        def acknowledged(self) -> int:
            nonlocal looks
            looks += 1
            return super().acknowledged

    with gateway(LUMBUNG_MQTT__MESSAGES_PER_SECOND="1e-6", LUMBUNG_MQTT__BURST="5") as (_, port):
        monkeypatch.setenv("LUMBUNG_MQTT__PORT", str(port))
        settings.cache_clear()
        sample_market = SampleMarkets(1, "test", 1, 0.0)
        secrets = device_secrets(sample_market)
        stopping = threading.Event()
        simulation = Watched(sample_market, secrets, 1000, None, stopping)
        with Progress(disable=True) as bar:
            running = threading.Thread(target=simulation.run, args=(bar,))
            running.start()
            try:
                eventually(lambda: simulation.sent == 5 + 20)
                seen = looks
                eventually(lambda: looks > seen + 10)
                assert simulation.sent == 5 + 20
            finally:
                stopping.set()
                running.join()
        simulation.close()


@pytest.mark.parametrize(("what", "words"), [("3", "give 1, 2, bars or all"), ("weather", "unknown sample")])
def test_unknown_sample_is_wrong_usage(what: str, words: str):
    done = simulate(what)
    assert done.returncode == 2 and words in done.stderr


def test_missing_gateway_is_named_with_its_remedy(home: Path):
    (port,) = free_ports(1)
    done = simulate("1", "--seconds", "1", LUMBUNG_MQTT__PORT=str(port))
    assert done.returncode == 4 and "run.sh up" in done.stderr.replace("\n", " ")
