"""The bridge takes the topics of mosquitto over, and acknowledges there after Kafka has."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import pytest

from conf.settings import REPO
from lakehouse.event import DEAD_LETTERS
from lakehouse.io.kafka import is_open
from scripts.stack.throwaway import free_ports
from tests.conftest import Broker, headers_of
from tests.producers.mqtt.test_session import TOPIC, price
from tests.support.identity.devices import Device
from tests.support.waiting import eventually

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="no mosquitto on the PATH (Debian: apt install mosquitto): no external broker"
)


@contextmanager
def process(
    *command: str, output: IO[bytes] | None = None, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, cwd=REPO, env={**os.environ, **variables}, stderr=output)
    try:
        yield running
    finally:
        running.terminate()
        assert running.wait(60) == 0


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    file = tmp_path / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type all\n")
    with (
        (tmp_path / "mosquitto.log").open("wb") as log,
        process(str(MOSQUITTO), "-c", str(file), output=log),
    ):
        eventually(lambda: is_open("127.0.0.1", port))
        yield port


def wait_subscribed(folder: Path, bridges: int) -> None:
    """Until so many bridges have subscribed: before that mosquitto keeps nothing for them."""
    log = folder / "mosquitto.log"
    eventually(lambda: log.read_text().count("Sending SUBACK to lumbung-bridge-") == bridges)


def bridge(port: int, **knobs: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    url = f"mqtt://127.0.0.1:{port}"
    return process(sys.executable, "-m", "producers.mqtt.bridge", LUMBUNG_MQTT__BROKER_URL=url, **knobs)


def test_messages_reach_kafka_byte_for_byte_also_those_sent_while_no_bridge_ran(
    broker: Broker, home: Path, mosquitto: int, tmp_path: Path
):
    since = broker.ends()
    body = b'{"event_id": "exact",  "commodity": "garam", "price": 11500}'
    with bridge(mosquitto):
        device = Device(mosquitto)
        wait_subscribed(tmp_path, 1)
        assert device.publish(TOPIC, body)
        assert device.publish(TOPIC, price("foreign", market_id="PASAR-002"))
        assert device.publish(TOPIC.replace("price", "status"), b"online")
        assert len(broker.records(since, "lumbung.price", 1)) == 1
    assert device.publish(TOPIC, price("while-away"))
    with bridge(mosquitto):
        broker.records(since, "lumbung.price", 2)
    device.close()
    records = broker.records(since, "lumbung.price")
    assert [headers_of(record)["event_id"] for record in records] == ["exact", "while-away"]
    assert records[0].value() == body and headers_of(records[0])["market_id"] == "PASAR-001"
    assert headers_of(records[0])["source"] == "mqtt:DEV-1"
    (dead,) = broker.records(since, DEAD_LETTERS, 1)
    assert headers_of(dead)["reason"] == "foreign_market"


def test_two_bridges_share_the_messages(broker: Broker, home: Path, mosquitto: int, tmp_path: Path):
    since = broker.ends()
    ids = {f"shared-{number}" for number in range(40)}
    with bridge(mosquitto), bridge(mosquitto, LUMBUNG_HOME=str(tmp_path / "other")):
        device = Device(mosquitto)
        wait_subscribed(tmp_path, 2)
        assert all(device.publish(TOPIC, price(name)) for name in sorted(ids))
        broker.records(since, "lumbung.price", len(ids))
        device.close()
    records = broker.records(since, "lumbung.price")
    assert sorted(headers_of(record)["event_id"] for record in records) == sorted(ids), "each once"
    log = (tmp_path / "mosquitto.log").read_text()
    takers = re.findall(r"Sending PUBLISH to (lumbung-bridge-\w+)", log)
    assert len(takers) == len(ids) and len(set(takers)) == 2


def test_messages_that_kafka_did_not_acknowledge_are_sent_again(
    broker: Broker, home: Path, mosquitto: int, tmp_path: Path
):
    since = broker.ends()
    url = f"mqtt://127.0.0.1:{mosquitto}"
    command = [sys.executable, "-m", "producers.mqtt.bridge"]
    knobs = {"LUMBUNG_MQTT__BROKER_URL": url, "LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS": "2"}
    running = subprocess.Popen(command, cwd=REPO, env={**os.environ, **knobs})
    device = Device(mosquitto)
    wait_subscribed(tmp_path, 1)
    with broker.halted():
        assert device.publish(TOPIC, price("held")), "mosquitto acknowledges at once"
        assert running.wait(120) == 1, "it ends, and its supervisor starts it again"
    with bridge(mosquitto):
        broker.records(since, "lumbung.price", 1)
    device.close()
    assert {headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price")} == {"held"}


def test_bridge_without_a_url_is_wrong_usage(home: Path):
    command = [sys.executable, "-m", "producers.mqtt.bridge"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "mqtt.broker_url" in done.stderr
