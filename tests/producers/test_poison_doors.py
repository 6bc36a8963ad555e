"""Every poison case through the MQTT and the CSV door on a real broker: what reaches Kafka, byte for byte, and its envelope."""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Message

from conf.settings import REPO
from lakehouse.event import DEAD_LETTERS, EVENT_ID, EVENT_MAX_BYTES, parse_time, topics
from tests.conftest import Broker, headers_of
from tests.producers.poison_cases import MARKET, ROW_HEADER, Case, cases
from tests.producers.test_mqtt_door import Device, gateway

NOW = datetime.now(UTC)
MQTT, CSV = cases("mqtt", NOW), cases("csv", NOW)
CSV_FILES = ("poison.csv", "poison_again.csv")
UNREADABLE = {"payload_json", "payload_utf8", "number_finite"}
Arrived = dict[str, list[Message]]  # source header -> its records, in the order of their partition


def by_source(broker: Broker, since: dict[tuple[str, int], int], sent: int) -> Arrived:
    found: Arrived = {}
    for topic in topics():
        for one in broker.records(since, topic, 0, 20):
            found.setdefault(headers_of(one)["source"], []).append(one)
    assert sum(map(len, found.values())) == sent, "as many records as were sent, no more and no fewer"
    return found


@pytest.fixture(scope="module")
def seen(broker: Broker) -> Iterator[pytest.MonkeyPatch]:
    """The tests' broker in the environment of the processes that this module starts."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="lumbung-poison-") as home:
        for key, value in {**broker.stack.env, "LUMBUNG_HOME": home}.items():
            if key.startswith("LUMBUNG_"):
                patch.setenv(key, value)
        yield patch


@pytest.fixture(scope="module")
def through_mqtt(broker: Broker, seen: pytest.MonkeyPatch) -> Arrived:
    """All cases on one connection, each as a device of its own: none may end it or hold up the next."""
    since, sent = broker.ends(), 0
    with gateway(LUMBUNG_MQTT__BURST="1000") as (_, port):
        device = Device(port, "poison", reconnect_on_failure=False)
        for case in MQTT:
            for body in case.bodies:
                device.client.publish(f"lumbung/v1/{MARKET}/P-{case.number}/{case.kind}", body, qos=1)
                sent += 1
        assert device.until(lambda: len(device.acknowledged) == sent), f"{len(device.acknowledged)} of {sent} acknowledged"
        assert device.client.is_connected()
        device.close()
    return by_source(broker, since, sent)


@pytest.fixture(scope="module")
def through_csv(broker: Broker, seen: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Arrived:
    """All rows in one file, what is sent twice in a second one."""
    folder, since = tmp_path_factory.mktemp("poison"), broker.ends()
    files = [[case.bodies[0] for case in CSV], [case.bodies[1] for case in CSV if len(case.bodies) > 1]]
    for name, rows in zip(CSV_FILES, files, strict=True):
        (folder / name).write_bytes(b"\n".join([ROW_HEADER.encode(), *rows, b""]))
    command = [sys.executable, "-m", "producers.csv_replay", str(folder)]
    done = subprocess.run(command, cwd=REPO, env=dict(os.environ), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return by_source(broker, since, sum(map(len, files)))


def name_of(case: Case) -> str:
    return case.name


def envelope(message: Message, case: Case, whole: int) -> dict[str, str]:
    """The headers, checked for what holds at every door; `whole`: bytes of the event before any cut."""
    said = headers_of(message)
    assert list(said)[:5] == ["event_id", "kind", "source", "received_at", "content_type"]
    assert said["kind"] == case.kind and said["content_type"] == "application/json"
    received = parse_time(said["received_at"])
    assert received is not None and NOW - timedelta(seconds=5) < received < datetime.now(UTC)
    assert EVENT_ID.fullmatch(said["event_id"])
    if case.stream.startswith("dlq:"):
        assert message.topic() == DEAD_LETTERS
        assert said["reason"] == case.stream.removeprefix("dlq:") and said["original_topic"] == f"lumbung.{case.kind}"
        assert len(message.value() or b"") == min(whole, EVENT_MAX_BYTES)
    else:
        assert message.topic() == f"lumbung.{case.kind}" and len(said) == 5
    return said


def check_mqtt_id(event_id: str, case: Case, body: bytes) -> None:
    """The payload's own id where a door can read it; made by the door where it cannot, or where the id is none."""
    if case.stream in UNREADABLE:
        assert event_id.startswith("u-")
    elif case.stream == "event_id_format":
        assert event_id.startswith("h-")
    else:  # half a surrogate is unreadable to one parser and readable to the next
        assert event_id == case.event_id or (case.stream == "text_whole" and event_id.startswith("u-"))
    assert event_id != case.event_id or case.event_id.encode() in body


@pytest.mark.parametrize("case", MQTT, ids=name_of)
def test_mqtt_passes_on_the_exact_bytes(through_mqtt: Arrived, case: Case):
    records = through_mqtt[f"mqtt:P-{case.number}"]
    assert [one.value() or b"" for one in records] == [body[:EVENT_MAX_BYTES] for body in case.bodies]
    for message, body in zip(records, case.bodies, strict=True):
        said = envelope(message, case, len(body))
        check_mqtt_id(said["event_id"], case, body)
        if case.stream == "silver" and case.kind == "price":
            assert (message.key() or b"").decode() == f"{MARKET}|{json.loads(body)['commodity']}"
        assert case.stream.startswith("dlq:") is (said.get("door") == "mqtt")
    assert len({one.partition() for one in records}) == 1  # a series stays in order, so the first of an id comes first


@pytest.mark.parametrize("case", CSV, ids=name_of)
def test_csv_turns_every_row_into_one_event_and_hides_nothing(through_csv: Arrived, case: Case):
    row = CSV.index(case) + 1
    twice = [other for other in CSV if len(other.bodies) > 1]
    sources = [f"file:{CSV_FILES[0]}#{row}"]
    if case in twice:
        sources.append(f"file:{CSV_FILES[1]}#{twice.index(case) + 1}")
    for source, body in zip(sources, case.bodies, strict=True):
        (message,) = through_csv[source]
        said = envelope(message, case, EVENT_MAX_BYTES + 1 if case.stream.startswith("dlq:") else 0)
        assert said.get("door") == ("csv" if case.stream.startswith("dlq:") else None)
        if not case.stream.startswith("dlq:"):
            check_payload(message.value() or b"", body, said["event_id"], case)


def check_payload(value: bytes, row: bytes, event_id: str, case: Case) -> None:
    """Every cell is in the payload: as it stands, or as the number that it is; a cell that is no number stays text."""
    payload = json.loads(value.decode("utf-8", "surrogateescape"))
    cells = row.decode("utf-8", "surrogateescape").split(",")
    names = ROW_HEADER.split(",")
    if len(cells) != len(names):
        assert payload == {"raw_row": ",".join(cells)}
        return
    given = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    assert payload.keys() == given.keys()
    price = payload.pop("price", None)
    text = given.pop("price", None)
    assert payload == given
    if isinstance(price, str):
        assert price == text and case.stream == "field_type"
    elif price is not None:
        assert price == float(str(text)) and math.isfinite(price) and case.stream != "field_type"
    assert event_id == case.event_id if given.get("event_id") == case.event_id else event_id.startswith("f-")
