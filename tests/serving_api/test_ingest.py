"""The HTTP door on a real broker: what it answers, and which bytes Kafka then holds."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.contract import kinds
from lakehouse.event import DEAD_LETTERS
from tests.conftest import Broker, headers_of
from tests.producers.poison_cases import Case, cases, raw_cases
from tests.serving_api.conftest import NOW, Api, stack_on

CASES = cases("http", NOW)
GOOD = b'{"market_id":"PASAR-001", "commodity":"garam","price":11500.50,"event_time":"2026-03-01T08:00:00+07:00"}'
BOTH = b'{"market_id":"PASAR-001","commodity":"garam","price":11500,"temperature_c":28.5}'


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_poison_at_the_door(api: Api, broker: Broker, case: Case) -> None:
    """The verdict that the table plans; what passes and what is refused is kept byte for byte."""
    since, body = broker.ends(), case.bodies[0]
    answer = api.post("/ingest" if case.kind in ("price", "sensor") else f"/api/v1/ingest/{case.kind}", body, "central")
    status, code = raw_cases()[case.number].get("http", (202, None))
    assert answer.status_code == status, answer.text
    if status == 202:
        (record,) = broker.records(since, f"lumbung.{case.kind}", 1)
        assert record.value() == (body if code is None else body[1:-1]) and headers_of(record)["source"] == "api:central"
        return
    told = answer.json()
    assert told["type"].removeprefix("/problems/") == code or code in [error["code"] for error in told["errors"]]
    (record,) = broker.records(since, DEAD_LETTERS, 1)
    said = headers_of(record)
    assert (record.value() or b"") == body[:65536]
    assert said["door"] == "http" and said["reason"] in {code, told.get("errors", [{"code": "payload_size"}])[0]["code"]}


WHO = {"price": 202, "stock": 202, "shipment": 202, "listing": 202, "post": 202, "weather": 403, "macro": 403, "bar": 403}


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_who_may_send_which_kind(api: Api, broker: Broker, kind: str) -> None:
    """Devices and operators send what happens at markets and shops; what the whole country goes by comes from central."""
    since = broker.ends()
    body = next((case.bodies[0] for case in CASES if case.kind == kind and case.stream == "silver"), b"{}")
    central = 202 if kinds()[kind].over_http else 404
    assert api.post(f"/api/v1/ingest/{kind}", body, "central").status_code == central
    for role in ("device", "operator"):
        answer = api.post(f"/api/v1/ingest/{kind}", body, role)
        assert answer.status_code == WHO.get(kind, central), answer.text
        named = body[:-1] + f', "kind": "{kind}"}}'.encode()
        if answer.status_code == 403:
            assert answer.json()["type"] == "/problems/forbidden"
            assert api.post("/ingest", named, role).status_code == 403, "the payload's word for its kind opens no door"
            told = api.post("/ingest", b"[" + named + b"," + GOOD + b"]", role).json()
            assert [item["errors"] for item in told["items"]] == [[{"pointer": "/kind", "code": "kind_forbidden"}], []]
    if central == 404:
        named = b'{"kind": "%s"}' % kind.encode()
        assert api.post("/ingest", named, "admin").json()["errors"][0]["code"] == "unknown_kind"
        assert not broker.records(since, f"lumbung.{kind}", 0, 1)


def test_one_event_arrives_with_its_exact_bytes_and_envelope(api: Api, broker: Broker) -> None:
    since = broker.ends()
    answer = api.post("/ingest", GOOD)
    receipt = answer.json()
    assert answer.status_code == 202 and receipt["kinds"] == ["price"] and receipt["status"] == "accepted"
    (record,) = broker.records(since, "lumbung.price", 1)
    said = headers_of(record)
    assert record.value() == GOOD and record.key() == b"PASAR-001|garam"
    assert (said["event_id"], said["kind"], said["content_type"]) == (receipt["event_id"], "price", "application/json")
    assert said["received_at"].startswith(receipt["received_at"].removesuffix("Z")[:19])
    assert api.post("/ingest", GOOD).json()["event_id"] == receipt["event_id"], "a redelivery is recognised"


def test_a_price_with_a_reading_is_both(api: Api, broker: Broker) -> None:
    since = broker.ends()
    assert api.post("/ingest", BOTH, "device").json()["kinds"] == ["price", "sensor"]
    records = [broker.records(since, topic, 1) for topic in ("lumbung.price", "lumbung.sensor")]
    assert [len(found) for found in records] == [1, 1] and {found[0].value() for found in records} == {BOTH}
    assert {headers_of(found[0])["source"] for found in records} == {"api:device"}


@pytest.mark.parametrize("form", ["array", "lines"])
def test_each_event_of_a_batch_keeps_its_bytes(api: Api, broker: Broker, form: str) -> None:
    since = broker.ends()
    good = [
        b'{"market_id": "PASAR-001",  "commodity":"garam","price":1.10e4}',
        '{"market_id":"P-1","commodity":"é","price":2}'.encode(),
    ]
    bad = b'{"market_id":"PASAR-001","commodity":"garam","price":"1"}'
    pieces = [good[0], bad, good[1]]
    body, media = (
        (b"[ " + b" ,\n".join(pieces) + b" ]", "application/json")
        if form == "array"
        else (b"\n".join(pieces) + b"\n", "application/x-ndjson")
    )
    answer = api.post("/api/v1/ingest/price", body, "central", media)
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["rejected"]) == (202, 2, 1)
    assert [item["status"] for item in told["items"]] == ["accepted", "rejected", "accepted"]
    assert told["items"][1] == {
        "index": 1,
        "event_id": None,
        "status": "rejected",
        "errors": [{"pointer": "/price", "code": "field_type"}],
    }
    assert {record.value() for record in broker.records(since, "lumbung.price", 2)} == set(good)
    (dead,) = broker.records(since, DEAD_LETTERS, 1)
    assert dead.value() == bad and headers_of(dead)["original_topic"] == "lumbung.price"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[]", 422, "batch_size"),
        (b"[" + b",".join([GOOD] * 1001) + b"]", 422, "batch_size"),
        (b"[" + GOOD + b",]", 400, "payload_json"),
        (b"[" + GOOD + b"] x", 400, "payload_json"),
        (b"[" + GOOD, 400, "payload_json"),
        (b"[" * 100_000, 400, "payload_json"),
        (b'["\xff"]', 400, "payload_utf8"),
        (b"[1,{}]", 422, "payload_json"),
    ],
    ids=["empty", "1001", "comma", "surplus", "cut", "deep", "not utf-8", "no objects"],
)  # fmt: skip
def test_batches_that_are_none(api: Api, broker: Broker, body: bytes, status: int, code: str) -> None:
    since = broker.ends()
    answer = api.post("/ingest", body)
    assert answer.status_code == status and answer.json()["errors"][0]["code"] == code, answer.text
    assert broker.records(since, DEAD_LETTERS, 1), "what was refused is kept"
    assert not broker.records(since, "lumbung.price", 0, 1)


def test_bodies_are_bounded_while_they_are_read(api: Api) -> None:
    """A length that is told is refused unread; a body without a length as soon as it is too long."""
    with socket.create_connection(("127.0.0.1", api.stack.api_port), 10) as wire:
        wire.sendall(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{"
        )
        assert wire.recv(100).startswith(b"HTTP/1.1 413")

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b"[" + b" " * 65536

    answer = api.http.post("/ingest", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/payload-too-large")


def test_who_may_send(api: Api, broker: Broker) -> None:
    since = broker.ends()
    statuses = {role: api.post("/ingest", b"{}", role).status_code for role in ("device", "user", "operator", "central", "admin")}
    assert statuses == {"device": 422, "user": 403, "operator": 422, "central": 422, "admin": 422}
    unknown = api.ask("POST", "/ingest", content=b"{}", headers={"Content-Type": "application/json", "Authorization": "Bearer x"})
    assert (unknown.status_code, unknown.json()["type"]) == (401, "/problems/token-invalid")
    assert api.post("/ingest", b"{}", None).json()["type"] == "/problems/unauthorized"
    assert len(broker.records(since, DEAD_LETTERS, 4)) == 4, "strangers fill no dead letters"


def test_503_and_nothing_claimed_while_kafka_is_away(broker: Broker, tmp_path: Path) -> None:
    """202 only after Kafka has acknowledged; when it is back the same body is taken."""
    own = Api(stack_on(broker, tmp_path, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="1"))
    try:
        assert own.post("/ingest", GOOD).status_code == 202
        broker.process.send_signal(signal.SIGSTOP)
        try:
            answer = own.post("/ingest", GOOD)
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/kafka-unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert own.post("/ingest", b"{}").status_code == 422, "a refusal stays a refusal"
            assert own.get("/livez").status_code == 200
            assert own.get("/readyz").status_code == 503
        finally:
            broker.process.send_signal(signal.SIGCONT)
        assert own.post("/ingest", GOOD).status_code == 202
    finally:
        own.stop()
