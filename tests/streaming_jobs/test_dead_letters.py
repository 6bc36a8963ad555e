"""What an intake has acknowledged and refused is in quarantine with its reason, and counted."""

from confluent_kafka import Producer

from lakehouse.event import DEAD_LETTERS, Event
from lakehouse.io.kafka import dead_letter_headers, producer_config
from producers.mqtt.gateway import event_of
from producers.mqtt.session import Published
from scripts.commands.reconcile import balance_report
from tests.streaming_jobs.conftest import NOW, Stream, price
from tests.streaming_jobs.test_reviews import decide

OWN = "lumbung/v1/PASAR-001/DEV-1/price"
REFUSED = {  # event id -> MQTT topic, payload, size, rule
    "market": (OWN, price("market", market_id="PASAR-002"), 0, "foreign_market"),
    "device": (OWN, price("device", device_id="DEV-2"), 0, "foreign_device"),
    "kind": ("lumbung/v1/PASAR-001/DEV-1/gossip", price("kind"), 0, "unknown_kind"),
    "topic": ("some/where\nelse", price("topic"), 0, "topic_refused"),
    "large": (OWN, price("large", note="x" * 65000), 70_000, "payload_cut"),
}


def send_as_the_gateway_does(*messages: tuple[str, bytes, int]) -> None:
    producer = Producer(producer_config())
    for topic, payload, size in messages:
        event, fault = event_of(Published(topic, payload, size or len(payload)))
        headers = [*event.headers, *(dead_letter_headers("mqtt", fault, topic) if fault else [])]
        producer.produce(DEAD_LETTERS if fault else event.topic, event.value, event.key, headers=headers)
    assert producer.flush(60) == 0


def test_acknowledged_refusals_are_quarantined_with_their_reason_and_counted(stream: Stream):
    send_as_the_gateway_does(*(message[:3] for message in REFUSED.values()))
    send_as_the_gateway_does(REFUSED["device"][:3])  # a device sends again what was not acknowledged in time
    stream.run()
    rows = {row["event_id"]: row for row in stream.rows("silver.quarantine")}
    rules = {name: [reason["rule"] for reason in row["reasons"]] for name, row in rows.items()}
    assert {name: names[0] for name, names in rules.items()} == {
        name: message[3] for name, message in REFUSED.items()
    }
    assert {(row["stage"], row["kind"], row["state"]) for row in rows.values()} == {("door", "dlq", "open")}
    assert all(row["payload"] == REFUSED[name][1] for name, row in rows.items())
    assert rows["market"]["market_id"] == "PASAR-002"
    report = balance_report()
    assert report["balanced"]
    counts = {row["kind"]: row for row in report["kinds"]}["dlq"]
    assert (counts["rows_in"], counts["quarantine"], counts["duplicates"]) == (6, 5, 1)


def test_refusals_that_http_answered_fill_no_queue_and_are_counted(stream: Stream):
    """Whatever a caller sends: an event that another rule would refuse, bytes that are no text."""
    bodies = [price("bad", -5, event_time="1999-01-01T00:00:00Z", market_id=7), b"\xff\xfe", b"[1", b""]
    producer = Producer(producer_config())
    for number, body in enumerate(bodies):
        event = Event("price", "api:device", body, f"u-{number}", "api:device", NOW)
        headers = [*event.headers, *dead_letter_headers("http", "payload_json", event.topic)]
        producer.produce(DEAD_LETTERS, body, event.key, headers=headers)
    assert producer.flush(60) == 0
    stream.run()
    assert not stream.rows("silver.quarantine")
    kept = {(row["event_id"], row["refusal"], row["intended"]) for row in stream.rows("silver.dead_letters")}
    assert kept == {(f"u-{number}", "payload_json", "lumbung.price") for number in range(len(bodies))}
    assert {row["value"] for row in stream.rows("bronze.events")} == set(bodies)
    report = balance_report()
    assert report["balanced"]
    counts = {row["kind"]: row for row in report["kinds"]}["dlq"]
    assert (counts["rows_in"], counts["silver"], counts["quarantine"]) == (4, 4, 0)


def test_market_and_device_of_the_mqtt_topic_are_those_of_the_row(stream: Stream):
    payload = b'{"event_id": "topic-1", "commodity": "garam", "price": 11500}'
    send_as_the_gateway_does((OWN, payload, 0))
    stream.run()
    (row,) = stream.rows("silver.prices")
    assert (row["event_id"], row["market_id"], row["device_id"]) == ("topic-1", "PASAR-001", "DEV-1")
    (record,) = stream.rows("bronze.events")
    assert record["value"] == payload, "the bytes of the device are unchanged"


def test_released_event_keeps_the_market_of_its_mqtt_topic(stream: Stream):
    payload = b'{"event_id": "topic-2", "commodity": "garam", "price": 99000000}'
    send_as_the_gateway_does((OWN, payload, 0))
    stream.run()
    (refused,) = stream.rows("silver.quarantine")
    stream.send(decide(refused, "release"), kind="decision")
    stream.run()
    (row,) = stream.rows("silver.prices")
    assert (row["event_id"], row["market_id"], row["device_id"]) == ("topic-2", "PASAR-001", "DEV-1")
