"""Who may connect to the gateway and what then reaches Kafka: foreign messages never do."""

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from lakehouse.event import DEAD_LETTERS
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.devices import Devices, IssuedClaim
from lakehouse.io.process_status import gateway_status
from producers.mqtt.gateway import WATCH_SECONDS
from serving_api.reads.operation.prometheus import mqtt_metrics
from tests.conftest import JWT_SECRET, Broker, headers_of
from tests.producers.mqtt.test_session import TOPIC, gateway, price
from tests.support.identity.devices import MARKET, SECRET, Device, identity_url, provide
from tests.support.waiting import eventually

CONNECT_5 = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a"
REQUEST = "lumbung/v1/provision/request"


@pytest.fixture(scope="module")
def port(broker: Broker, store_knobs: dict[str, str]) -> Iterator[int]:
    """A gateway for the tests that need no other knobs; each uses devices of its own."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="lumbung-mqtt-") as home:
        own = {"LUMBUNG_HOME": home, "JWT_SECRET": JWT_SECRET, **store_knobs}
        for key, value in {**broker.stack.env, **own}.items():
            if key.isupper():
                patch.setenv(key, value)
        with gateway(*(f"DEV-{number}" for number in range(2, 7))) as (_, listening):
            yield listening


def change(step: str, *arguments: object) -> object:
    """Call a method of the identity store of the home in the environment."""

    async def run() -> object:
        database = Database(identity_url())
        try:
            await database.migrate()
            return await getattr(Devices(database), step)(*arguments)
        finally:
            await database.close()

    return asyncio.run(run())


def delivered(broker: Broker, since: dict[tuple[str, int], int], count: int) -> list[str]:
    """Event ids of all prices, and reasons of all dead letters."""
    prices = [headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", count)]
    dead = [headers_of(record)["reason"] for record in broker.records(since, DEAD_LETTERS, 0)]
    return prices + dead


def connack(port: int, user_name: str | None, secret: str = "wrong") -> str:
    device = Device(port, user_name, secret, reconnect_on_failure=False)
    device.close()
    return device.connack[0]


def test_only_devices_with_their_secret_are_admitted(broker: Broker, port: int):
    since = broker.ends()
    change("register", "WAITS", MARKET, "operator", None)  # pending
    change("revoke", "DEV-3", "test")
    refused = ["DEV-1", "DEV-9", "WAITS", "", "' or 1=1 --", "DEV-3"]
    assert {connack(port, name) for name in refused} == {"Bad user name or password"}
    assert connack(port, "DEV-3", SECRET) == "Bad user name or password"
    nobody = Device(port, None, reconnect_on_failure=False)
    nobody.client.publish(TOPIC, price("nobody"), qos=1)
    assert nobody.until(lambda: not nobody.client.is_connected())
    assert nobody.acknowledged == [], "a PUBACK would say that the message is kept"
    device = Device(port)
    assert device.publish(TOPIC, price("own"))
    device.close()
    nobody.close()
    assert delivered(broker, since, 1) == ["own"]


FOREIGN = {
    TOPIC.replace("PASAR-001", "PASAR-002"): "foreign_market",
    TOPIC.replace("DEV-1", "DEV-2"): "foreign_device",
    TOPIC.replace("DEV-1", "DEV-2").replace("price", "status"): "unknown_kind",
    TOPIC.replace("DEV-1", "dev-1"): "foreign_device",
    TOPIC.replace("DEV-1", "DEV-1/DEV-1"): "topic_refused",
    TOPIC.replace("v1", "v2"): "topic_refused",
    "$SYS/broker": "topic_refused",
    "elsewhere": "topic_refused",
    "/" + TOPIC: "topic_refused",
    REQUEST: "topic_refused",
    "lumbung/v1/provision/response/DEV-1": "topic_refused",
}


def test_message_to_a_foreign_topic_is_a_dead_letter_of_its_sender(broker: Broker, home: Path):
    since = broker.ends()
    receipt = "lumbung/v1/PASAR-001/DEV-1/receipt"
    with gateway("DEV-2") as (_, port):
        device = Device(port)
        device.client.subscribe(receipt)
        assert device.until(lambda: device.granted)
        for topic in FOREIGN:
            assert device.publish(topic, b'{"event_id": "foreign", "price": 1}'), topic
        assert device.publish(TOPIC, price("own"))
        assert device.until(lambda: len(device.received) == len(FOREIGN))
        reasons = {(topic, orjson.loads(body)["reasons"][0]) for topic, body in device.received}
        device.close()
    assert reasons == {(receipt, reason) for reason in FOREIGN.values()}
    assert [headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 1)] == ["own"]
    dead = [headers_of(record) for record in broker.records(since, DEAD_LETTERS, len(FOREIGN))]
    assert sorted(record["reason"] for record in dead) == sorted(FOREIGN.values())
    assert {(record["door"], record["source"]) for record in dead} == {("mqtt", "mqtt:DEV-1")}
    status = gateway_status()
    assert status is not None
    assert status["messages"] == {"dead_letter": len(FOREIGN), "accepted": 1}
    assert status["connects"] == {"admitted": 1}
    shown = {(sample.name, *sample.labels.values()) for family in mqtt_metrics() for sample in family.samples}
    assert ("lumbung_mqtt_messages_total", "dead_letter") in shown
    assert ("lumbung_mqtt_connects_total", "admitted") in shown


def test_device_of_a_central_role_sends_for_every_market_but_as_itself(broker: Broker, port: int):
    since = broker.ends()
    provide("CENTRAL-1", role="central", url=identity_url())
    device = Device(port, "CENTRAL-1")
    for market in ("PASAR-001", "PASAR-002"):
        body = price(f"for-{market}", market_id=market, device_id="CENTRAL-1")
        assert device.publish(f"lumbung/v1/{market}/CENTRAL-1/price", body)
    assert device.publish(TOPIC, price("as-another"))
    device.close()
    assert sorted(delivered(broker, since, 2)) == ["for-PASAR-001", "for-PASAR-002", "foreign_device"]


def test_market_of_the_topic_is_that_of_a_row_without_market(broker: Broker, port: int):
    since = broker.ends()
    body = b'{"event_id": "no-market", "commodity": "garam",  "price": 11500}'
    device = Device(port)
    assert device.publish(TOPIC, body)
    device.close()
    (record,) = broker.records(since, "lumbung.price", 1)
    assert record.value() == body and headers_of(record)["market_id"] == MARKET


def test_revoked_device_is_disconnected_at_the_next_look_and_stays_out(broker: Broker, port: int):
    since = broker.ends()
    assert WATCH_SECONDS <= 1, "between two looks"
    device, other = (Device(port, name, reconnect_on_failure=False) for name in ("DEV-5", "DEV-2"))
    assert device.publish(TOPIC.replace("DEV-1", "DEV-5"), price("before", device_id="DEV-5"))
    change("revoke", "DEV-5", "test")
    eventually(lambda: not device.client.is_connected())
    assert connack(port, "DEV-5", SECRET) == "Bad user name or password"
    assert other.publish(TOPIC.replace("DEV-1", "DEV-2"), price("stays", device_id="DEV-2"))
    other.close()
    assert sorted(delivered(broker, since, 2)) == ["before", "stays"]


def test_clients_of_different_devices_do_not_replace_each_other(port: int):
    own = Device(port, name="same", reconnect_on_failure=False)
    foreign = Device(port, "DEV-2", name="same", reconnect_on_failure=False)
    nobody = Device(port, None, name="same", reconnect_on_failure=False)
    assert own.publish(TOPIC, price("still-there"))
    for device in (own, foreign, nobody):
        device.close()


def test_rate_is_shared_by_connections_of_a_device_and_by_all_clients_without_one(home: Path):
    rate = {"LUMBUNG_MQTT__BURST": "6", "LUMBUNG_MQTT__MESSAGES_PER_SECOND": "1e-6"}
    with gateway("DEV-2", **rate) as (_, port):
        other = Device(port, "DEV-2")
        for device_id, topic in (("DEV-1", TOPIC), (None, REQUEST)):
            devices = [Device(port, device_id, name=name) for name in "abc"]
            for number in range(6):
                for device in devices:
                    device.client.publish(topic, price(f"{number}"), qos=1)
            eventually(lambda devices=devices: sum(len(device.acknowledged) for device in devices) >= 6)
            for number in range(3):
                own = price(f"other-{number}", device_id="DEV-2")
                assert other.publish(TOPIC.replace("DEV-1", "DEV-2"), own)
            assert sum(len(device.acknowledged) for device in devices) == 6
            for device in devices:
                device.close()
        other.close()


def test_client_of_mqtt_5_gets_an_answer_in_its_own_format(port: int):
    with socket.create_connection(("127.0.0.1", port), 60) as wire:
        wire.sendall(CONNECT_5)
        answer = b""
        while part := wire.recv(100):
            answer += part
    assert answer == b"\x20\x03\x00\x84\x00"  # reason 0x84: unsupported protocol version


def test_paho_with_mqtt_5_shows_the_reason(port: int):
    reasons: list[str] = []
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        "DEV-2",
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
    )
    client.username_pw_set("DEV-2", SECRET)
    client.on_connect = lambda client, data, flags, reason, properties: reasons.append(str(reason))
    client.connect("127.0.0.1", port)
    client.loop_forever()
    assert reasons == ["Unsupported protocol version"]


def test_claim_over_mqtt_gives_the_secret_once_to_its_client(broker: Broker, port: int):
    registered = change("register", "DEV-7", MARKET, "operator", "operator-1")
    assert isinstance(registered, tuple) and isinstance(registered[1], IssuedClaim)
    body = orjson.dumps({"device_id": "DEV-7", "claim_code": registered[1].code})
    unclaimed = Device(port, None, name="new")
    unclaimed.publish(REQUEST, body)  # nobody would receive the secret: the code stays valid
    response = "lumbung/v1/provision/response/new"
    unclaimed.client.subscribe([(response, 1), (response.replace("new", "other"), 1), ("#", 1)])
    assert unclaimed.until(lambda: len(unclaimed.granted) == 3)
    assert [grant.startswith("Granted") for grant in unclaimed.granted] == [True, False, False]
    for payload in (b"{", orjson.dumps({"device_id": "DEV-7", "claim_code": "wrong"}), body, body):
        count = len(unclaimed.received)
        assert unclaimed.publish(REQUEST, payload)
        assert unclaimed.until(lambda count=count: len(unclaimed.received) > count)
    answers = [orjson.loads(payload) for _, payload in unclaimed.received]
    assert {topic for topic, _ in unclaimed.received} == {response}
    assert [answer.get("type") for answer in answers] == [
        "/problems/claim-invalid",
        "/problems/claim-invalid",
        None,
        "/problems/claim-invalid",
    ]
    claimed = answers[2]
    assert claimed["mqtt"] == {
        "host": "127.0.0.1",
        "port": port,
        "tls": False,
        "username": "DEV-7",
        "topic_prefix": "lumbung/v1/PASAR-001/DEV-7",
    }
    device = Device(port, claimed["mqtt"]["username"], claimed["secret"])
    assert device.publish(f"{claimed['mqtt']['topic_prefix']}/price", price("claimed", device_id="DEV-7"))
    device.close()
    unclaimed.close()


def test_anonymous_clients_send_for_every_device_where_the_knob_allows_it(broker: Broker, home: Path):
    since = broker.ends()
    with gateway(LUMBUNG_MQTT__ANONYMOUS="true") as (_, port):
        nobody = Device(port, None)
        for topic in (TOPIC, "lumbung/v1/PASAR-009/OLD-1/price"):
            market, device_id = topic.split("/")[2:4]
            assert nobody.publish(topic, price(device_id, market_id=market, device_id=device_id))
        nobody.close()
    assert sorted(delivered(broker, since, 2)) == ["DEV-1", "OLD-1"]
