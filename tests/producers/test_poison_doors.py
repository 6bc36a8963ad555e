"""Every poison case by MQTT and by CSV with a real broker: what reaches Kafka, and its headers."""

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
from tests.conftest import JWT_SECRET, Broker, headers_of
from tests.producers.mqtt.test_session import gateway
from tests.support.identity.devices import publish_case
from tests.support.poison_cases import MARKET, ROW_HEADER, Case, cases

NOW = datetime.now(UTC)
MQTT, CSV = cases("mqtt", NOW), cases("csv", NOW)
CSV_FILES = ("poison.csv", "poison_again.csv")
UNREADABLE = {"payload_json", "payload_utf8", "number_finite"}
Arrived = dict[str, list[Message]]  # source header -> its records in the order of their partition


def by_source(broker: Broker, since: dict[tuple[str, int], int], sent: int) -> Arrived:
    arrived: Arrived = {}
    for topic in topics():
        for record in broker.records(since, topic, 0):
            arrived.setdefault(headers_of(record)["source"], []).append(record)
    assert sum(map(len, arrived.values())) == sent, "as many records as were sent, no more and no fewer"
    return arrived


@pytest.fixture(scope="module")
def seen(broker: Broker) -> Iterator[pytest.MonkeyPatch]:
    """The tests' broker in the environment of the processes that this module starts."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="lumbung-poison-") as home:
        for key, value in {**broker.stack.env, "LUMBUNG_HOME": home}.items():
            if key.startswith("LUMBUNG_"):
                patch.setenv(key, value)
        patch.setenv("JWT_SECRET", JWT_SECRET)
        yield patch


@pytest.fixture(scope="module")
def through_mqtt(broker: Broker, seen: pytest.MonkeyPatch) -> Arrived:
    """Each case as a device of its own: none may end its connection."""
    since = broker.ends()
    with gateway(*(f"P-{case.number:03}" for case in MQTT)) as (_, port):
        for case in MQTT:
            publish_case(port, case)
    return by_source(broker, since, sum(len(case.bodies) for case in MQTT))


@pytest.fixture(scope="module")
def through_csv(
    broker: Broker, seen: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Arrived:
    """All rows in one file, repeated ones in a second."""
    folder, since = tmp_path_factory.mktemp("poison"), broker.ends()
    files = [[case.bodies[0] for case in CSV], [case.bodies[1] for case in CSV if len(case.bodies) > 1]]
    for name, rows in zip(CSV_FILES, files, strict=True):
        (folder / name).write_bytes(b"\n".join([ROW_HEADER.encode(), *rows, b""]))
    command = [sys.executable, "-m", "producers.csv.replay", str(folder)]
    done = subprocess.run(command, cwd=REPO, env=dict(os.environ), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return by_source(broker, since, sum(map(len, files)))


def name_of(case: Case) -> str:
    return case.name


def envelope(message: Message, case: Case, whole: int) -> dict[str, str]:
    """The headers, checked for what is true of MQTT and CSV. `whole`: bytes of the event before any cut."""
    headers = headers_of(message)
    assert list(headers)[:5] == ["event_id", "kind", "source", "received_at", "content_type"]
    assert headers["kind"] == case.kind and headers["content_type"] == "application/json"
    received = parse_time(headers["received_at"])
    assert received is not None and NOW - timedelta(seconds=5) < received < datetime.now(UTC)
    assert EVENT_ID.fullmatch(headers["event_id"])
    if case.stream.startswith("dlq:"):
        assert message.topic() == DEAD_LETTERS
        assert (
            headers["reason"] == case.stream.removeprefix("dlq:")
            and headers["original_topic"] == f"lumbung.{case.kind}"
        )
        assert len(message.value() or b"") == min(whole, EVENT_MAX_BYTES)
    else:
        assert message.topic() == f"lumbung.{case.kind}" and len(headers) == 5 + ("market_id" in headers)
    return headers


def check_mqtt_id(event_id: str, case: Case, body: bytes) -> None:
    """The id is the payload's own if it is readable and valid, else made by the gateway."""
    if case.stream in UNREADABLE:
        assert event_id.startswith("u-")
    elif case.stream == "event_id_format":
        assert event_id.startswith("h-")
    else:  # half a surrogate is unreadable to one parser and readable to another
        assert event_id == case.event_id or (case.stream == "text_whole" and event_id.startswith("u-"))
    assert event_id != case.event_id or case.event_id.encode() in body


@pytest.mark.parametrize("case", MQTT, ids=name_of)
def test_mqtt_forwards_the_exact_bytes(through_mqtt: Arrived, case: Case):
    records = through_mqtt[f"mqtt:P-{case.number:03}"]
    assert [record.value() or b"" for record in records] == [body[:EVENT_MAX_BYTES] for body in case.bodies]
    for message, body in zip(records, case.bodies, strict=True):
        headers = envelope(message, case, len(body))
        check_mqtt_id(headers["event_id"], case, body)
        if case.stream == "silver" and case.kind == "price":
            assert (message.key() or b"").decode() == f"{MARKET}|{json.loads(body)['commodity']}"
        assert case.stream.startswith("dlq:") is (headers.get("door") == "mqtt")
    assert (
        len({record.partition() for record in records}) == 1
    )  # a series keeps its order, so the first record of an id is the first


@pytest.mark.parametrize("case", CSV, ids=name_of)
def test_csv_turns_every_row_into_one_event_without_loss(through_csv: Arrived, case: Case):
    row = CSV.index(case) + 1
    twice = [other for other in CSV if len(other.bodies) > 1]
    sources = [f"file:{CSV_FILES[0]}#{row}"]
    if case in twice:
        sources.append(f"file:{CSV_FILES[1]}#{twice.index(case) + 1}")
    for source, body in zip(sources, case.bodies, strict=True):
        (message,) = through_csv[source]
        headers = envelope(message, case, EVENT_MAX_BYTES + 1 if case.stream.startswith("dlq:") else 0)
        assert headers.get("door") == ("csv" if case.stream.startswith("dlq:") else None)
        if not case.stream.startswith("dlq:"):
            check_payload(message.value() or b"", body, headers["event_id"], case)


def check_payload(value: bytes, row: bytes, event_id: str, case: Case) -> None:
    """Every cell is in the payload, as text or as a number; a cell that is no number stays text."""
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
