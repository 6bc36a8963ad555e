"""The MQTT gateway with a broker: it acknowledges after Kafka and delivers nothing to devices."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from conf.settings import REPO
from lakehouse.event import DEAD_LETTERS
from lakehouse.io.kafka import is_open
from scripts.stack.throwaway import free_ports
from tests.conftest import Broker, headers_of
from tests.support.identity.devices import Device, identity_url, provide
from tests.support.waiting import eventually


@contextmanager
def gateway(*devices: str, **knobs: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A gateway of the home in the environment, and its port. `devices`: active ones of PASAR-001."""
    port = int(knobs.get("LUMBUNG_MQTT__PORT") or free_ports(1)[0])
    provide("DEV-1", *devices, url=identity_url())
    environment = {**os.environ, "LUMBUNG_MQTT__PORT": str(port), **knobs}
    running = subprocess.Popen([sys.executable, "-m", "producers.mqtt.gateway"], cwd=REPO, env=environment)
    try:
        eventually(lambda: is_open("127.0.0.1", port))
        yield running, port
    finally:
        running.terminate()
        assert running.wait(60) in (0, -signal.SIGKILL)


TOPIC = "lumbung/v1/PASAR-001/DEV-1/price"
PROVISION_RESPONSE = "lumbung/v1/provision/response/listener"


def price(event_id: str, **more: object) -> bytes:
    own = {"market_id": "PASAR-001", "device_id": "DEV-1"}
    return orjson.dumps({"event_id": event_id, **own, "commodity": "garam", "price": 11500, **more})


def test_bytes_arrive_unchanged_and_refused_messages_are_dead_letters(broker: Broker, home: Path):
    since = broker.ends()
    with gateway() as (_, port):
        device = Device(port)
        assert device.publish(TOPIC, b'{ "price" : 1e2 , broken')
        assert device.publish(TOPIC, price("qos-2"), qos=2)
        assert device.publish("lumbung/v1/PASAR-001/DEV-1/sensor", price("by-topic"))
        assert device.publish(TOPIC, price("foreign", market_id="PASAR-002"))
        assert device.publish(TOPIC, price("foreign", device_id="DEV-2"))
        assert device.publish("lumbung/v1/PASAR-001/DEV-1/gossip", price("gossip"))
        assert (
            device.publish(TOPIC, b"x" * 65536)
            and device.publish(TOPIC, b"x" * 65537)
            and device.publish(TOPIC, b"")
        )
        assert device.publish("lumbung/v1/PASAR-001/DEV-1/status", b"online")
        device.close()
    values = [
        (record.value(), headers_of(record)["source"]) for record in broker.records(since, "lumbung.price", 4)
    ]
    assert sorted(len(value) for value, _ in values) == sorted([0, 24, len(price("qos-2")), 65536])
    assert (b'{ "price" : 1e2 , broken', "mqtt:DEV-1") in values
    (by_topic,) = broker.records(since, "lumbung.sensor", 1)
    assert headers_of(by_topic)["kind"] == "sensor" and headers_of(by_topic)["event_id"] == "by-topic"
    dead = [headers_of(record) for record in broker.records(since, DEAD_LETTERS, 4)]
    reasons = sorted(record["reason"] for record in dead)
    assert reasons == ["foreign_device", "foreign_market", "payload_size", "unknown_kind"]
    assert {record["door"] for record in dead} == {"mqtt"}


def test_refused_messages_beyond_the_bound_of_an_hour_are_kept_but_not_listed(
    broker: Broker, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LUMBUNG_MQTT__LISTED_REFUSALS_PER_HOUR", "2")
    since = broker.ends()
    with gateway("DEV-2") as (_, port):
        device, other = Device(port), Device(port, "DEV-2")
        for number in range(4):
            assert device.publish(TOPIC, price(f"foreign-{number}", market_id="PASAR-002"))
        assert other.publish(TOPIC.replace("DEV-1", "DEV-2"), price("other", device_id="DEV-3"))
        device.close()
        other.close()
    dead = [headers_of(record) for record in broker.records(since, DEAD_LETTERS, 5)]
    surplus = {record["event_id"] for record in dead if record.get("listed") == "no"}
    # Two of them, unless the hour ends in between.
    assert len(dead) == 5 and surplus <= {"foreign-2", "foreign-3"} and "foreign-3" in surplus


def test_only_receipt_topics_can_be_subscribed_and_nothing_is_delivered(home: Path):
    receipt = "lumbung/v1/PASAR-001/DEV-1/receipt"
    refused = ["#", "lumbung/v1/+/+/price", "$SYS/#", TOPIC, receipt.replace("001", "002")]
    foreign = [receipt.replace("DEV-1", "DEV-2"), receipt.replace("DEV-1", "+"), PROVISION_RESPONSE]
    with gateway() as (_, port):
        listener, talker = Device(port, name="listener"), Device(port, name="talker")
        listener.client.subscribe([(topic, 1) for topic in [*refused, *foreign, receipt]])
        assert listener.until(lambda: len(listener.granted) == 9)
        assert [grant.startswith("Granted") for grant in listener.granted] == [False] * 8 + [True]
        assert talker.publish(TOPIC, price("unheard"))
        assert talker.publish("lumbung/v1/PASAR-001/DEV-1/receipt", b"forged")
        listener.client.subscribe(receipt, 1)
        assert listener.until(lambda: len(listener.granted) == 10), "it has read what was sent before"
        assert listener.received == []
        listener.close()
        talker.close()


def test_device_gets_no_acknowledgement_while_kafka_does_not_answer(broker: Broker, home: Path):
    since = broker.ends()
    with gateway(LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="120") as (_, port):
        device = Device(port)
        assert device.publish(TOPIC, price("before"))
        with broker.halted():
            device.client.publish(TOPIC, price("held"), qos=1)
            for answers in range(1, 21):  # the gateway answers whatever does not need Kafka
                device.client.subscribe("lumbung/v1/PASAR-001/DEV-1/receipt", 1)
                eventually(lambda answers=answers: len(device.granted) == answers)
            assert len(device.acknowledged) == 1
        eventually(lambda: len(device.acknowledged) == 2)
        device.close()
    assert {headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 2)} == {
        "before",
        "held",
    }


@pytest.mark.parametrize(("point", "copies"), [("gateway.before_kafka", 1), ("gateway.after_kafka", 2)])
def test_after_a_kill_before_kafka_the_device_sends_again_with_the_same_id(
    broker: Broker, home: Path, point: str, copies: int
):
    since, event_id = broker.ends(), f"again-{point}"
    with gateway(LUMBUNG_FAILPOINT=point) as (running, port):
        device = Device(port)
        device.client.publish(TOPIC, price(event_id), qos=1)
        assert running.wait(60) == -signal.SIGKILL and device.acknowledged == []
        device.close()
    with gateway() as (_, port):
        device = Device(port)
        assert device.publish(TOPIC, price(event_id))
        device.close()
    ids = [headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", copies)]
    assert ids == [event_id] * copies


def test_connection_above_its_rate_is_held_back_and_others_are_not(broker: Broker, home: Path):
    with gateway("DEV-2", LUMBUNG_MQTT__BURST="5", LUMBUNG_MQTT__MESSAGES_PER_SECOND="1e-6") as (_, port):
        device, other = Device(port), Device(port, "DEV-2")
        for number in range(8):
            device.client.publish(TOPIC, price(f"held-back-{number}"), qos=1)
        eventually(lambda: len(device.acknowledged) >= 5)
        for number in range(5):
            own = price(f"not-held-back-{number}", device_id="DEV-2")
            assert other.publish(TOPIC.replace("DEV-1", "DEV-2"), own)
        assert len(device.acknowledged) == 5
        device.close()
        other.close()


def test_messages_above_the_rate_arrive_in_order_and_none_is_dropped(broker: Broker, home: Path):
    since, events = broker.ends(), 260
    with gateway(LUMBUNG_MQTT__BURST="100", LUMBUNG_MQTT__MESSAGES_PER_SECOND="80") as (_, port):
        device = Device(port)
        for number in range(events):
            device.client.publish(TOPIC, price(f"order-{number:04}"), qos=1)
        eventually(lambda: len(device.acknowledged) == events)
        device.close()
    ids = [headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", events)]
    assert ids == [f"order-{number:04}" for number in range(events)]


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\xff\x7f",
        b"\x00" * 50,
        b"\x10\x0c\x00\x06MQIsdp\x03\x02\x00\x3c",
    ],
)
def test_connection_that_is_not_mqtt_3_1_1_ends_and_others_stay(home: Path, words: bytes):
    with gateway() as (_, port):
        with socket.create_connection(("127.0.0.1", port), 60) as wire:
            wire.sendall(words)
            wire.shutdown(socket.SHUT_WR)
            while wire.recv(100):
                pass
        device = Device(port)
        assert device.publish(TOPIC, price("after"))
        device.close()


def test_newer_connection_of_a_client_ends_the_older(home: Path):
    with gateway() as (_, port):
        gone = threading.Event()
        older = Device(port, name="same", reconnect_on_failure=False)
        older.client.on_disconnect = lambda *ignored: gone.set()
        newer = Device(port, name="same", reconnect_on_failure=False)
        assert gone.wait(60) and newer.publish(TOPIC, price("newer"))
        newer.close()
        older.close()


def test_address_other_than_loopback_is_refused(home: Path):
    environment = {**os.environ, "LUMBUNG_MQTT__HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "-m", "producers.mqtt.gateway"],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 5 and "127.0.0.1 only" in done.stderr
