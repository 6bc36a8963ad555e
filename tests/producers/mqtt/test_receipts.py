"""Receipts: a device that subscribes to its topic learns what the stream made of each event."""

from pathlib import Path

import orjson

from tests.conftest import Broker
from tests.producers.mqtt.test_session import gateway, price
from tests.streaming_jobs.conftest import Stream
from tests.support.identity.devices import Device

PRICES = "lumbung/v1/PASAR-001/DEV-{}/price"
RECEIPTS = "lumbung/v1/PASAR-001/DEV-{}/receipt"


def by_id(device: Device) -> dict[str, tuple[str, list[str]]]:
    bodies = [orjson.loads(payload) for _, payload in device.received]
    return {body["event_id"]: (body["verdict"], body["reasons"]) for body in bodies}


def test_subscribed_device_gets_a_receipt_for_each_event_and_no_other_device_one(
    real_broker: Broker, home: Path
):
    stream = Stream(None, real_broker)
    with gateway("DEV-2") as (_, port):
        device, silent = Device(port), Device(port, "DEV-2")
        for client, number in ((device, 1), (silent, 1), (silent, 2)):
            client.client.subscribe(RECEIPTS.format(number))
        assert device.until(lambda: device.granted) and silent.until(lambda: len(silent.granted) == 2)
        silent.client.unsubscribe(RECEIPTS.format(2))
        messages = (
            price("receipt-good"),
            price("receipt-good"),
            price("receipt-low", price=-1),
            price("receipt-foreign", market_id="PASAR-002"),
            price("receipt-taken"),
        )
        stream.send(price("receipt-taken"), source="mqtt:STRANGER", key="PASAR-001|garam")
        for message in messages:
            assert device.publish(PRICES.format(1), message)
        assert silent.publish(PRICES.format(2), price("receipt-unwanted", device_id="DEV-2"))
        assert device.until(
            lambda: device.received
        )  # a message that the gateway refuses has its verdict at once
        assert by_id(device) == {"receipt-foreign": ("quarantine", ["foreign_market"])}
        stream.run()
        assert device.until(lambda: len(device.received) == len(messages), seconds=60)
        assert silent.received == []
        device.close()
        silent.close()
    verdicts = sorted(orjson.loads(payload)["verdict"] for _, payload in device.received)
    assert verdicts == ["duplicate", "quarantine", "quarantine", "silver", "silver"]
    assert by_id(device)["receipt-taken"] == ("silver", [])
    assert stream.silver() == {
        "receipt-good": 1,
        "receipt-taken": 1,
        "receipt-taken@DEV-1": 1,
        "receipt-unwanted": 1,
    }
    assert {topic for topic, _ in device.received} == {RECEIPTS.format(1)}
    assert by_id(device)["receipt-low"][1][:1] == [
        row["reasons"][0]["rule"]
        for row in stream.rows("silver.quarantine")
        if row["event_id"] == "receipt-low"
    ]


def test_receipts_of_others_and_wildcards_are_not_granted(home: Path):
    topics = (
        RECEIPTS.format(2),
        "lumbung/v1/+/DEV-1/receipt",
        "lumbung/v1/PASAR-002/DEV-1/receipt",
        "#",
        "$SYS/#",
    )
    with gateway() as (_, port):
        device = Device(port)
        for topic in (*topics, RECEIPTS.format(1)):
            device.client.subscribe(topic)
        assert device.until(lambda: len(device.granted) > len(topics))
        assert [grant.startswith("Granted") for grant in device.granted] == [False] * len(topics) + [True]
        device.close()
