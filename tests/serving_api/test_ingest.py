"""Ingestion over HTTP: the responses, and the bytes that Kafka then holds."""

import socket
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from lakehouse.contracts.contract import kinds
from lakehouse.event import DEAD_LETTER, DEAD_LETTERS
from tests.conftest import Broker, headers_of
from tests.support.api import Api, ApiProcess, answered, new_stack
from tests.support.poison_cases import Case, cases, raw_cases
from tests.support.served_lake import NOW
from tests.support.waiting import eventually

CASES = cases("http", NOW)
VALID = (
    b'{"market_id":"PASAR-001", "commodity":"garam","price":11500.50,'
    b'"event_time":"2026-03-01T08:00:00+07:00"}'
)
BOTH = b'{"market_id":"PASAR-001","commodity":"garam","price":11500,"temperature_c":28.5}'


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_poison_event_gets_the_verdict_of_the_table(api: Api, broker: Broker, case: Case) -> None:
    """Valid and refused events are stored byte for byte."""
    since, body = broker.ends(), case.bodies[0]
    response = api.post(
        "/ingest" if case.kind in ("price", "sensor") else f"/api/v1/ingest/{case.kind}", body, "central"
    )
    status, code = raw_cases()[case.number].get("http", (202, None))
    assert response.status_code == status, response.text
    if status == 202:
        (record,) = broker.records(since, f"lumbung.{case.kind}", 1)
        assert (
            record.value() == (body if code is None else body[1:-1])
            and headers_of(record)["source"] == "api:central"
        )
        return
    result = response.json()
    assert result["type"].removeprefix("/problems/") == code or code in [
        error["code"] for error in result["errors"]
    ]
    (record,) = broker.records(since, DEAD_LETTERS, 1)
    headers = headers_of(record)
    assert (record.value() or b"") == body[:65536]
    assert headers["door"] == "http" and headers["reason"] in {
        code,
        result.get("errors", [{"code": "payload_size"}])[0]["code"],
    }


@pytest.mark.parametrize("key", ["", "Idempotency-Key: half-a-body\r\n"])
def test_upload_that_breaks_off_is_no_error_and_stores_nothing(
    broker: Broker, tmp_path: Path, request: pytest.FixtureRequest, key: str
) -> None:
    log = tmp_path / "api.log"
    process = ApiProcess(new_stack(tmp_path / "home", broker), log)
    request.addfinalizer(process.stop)
    head = (
        "POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {process.stack.tokens['operator']}\r\n{key}"
    )
    since = broker.ends()
    for broken in ("Content-Length: 100\r\n\r\n", 'Content-Length: 100\r\n\r\n{"market_id":'):
        before = log.read_text().count("its sender disconnected")
        with socket.create_connection(("127.0.0.1", process.stack.api_port), 60) as sender:
            sender.sendall((head + broken).encode())
        eventually(lambda before=before: log.read_text().count("its sender disconnected") == before + 1)
    assert "Traceback" not in log.read_text()
    assert answered(lambda: process.post("/ingest", VALID)).status_code == 202
    assert [record.value() for record in broker.records(since, "lumbung.price", 1)] == [VALID]


STATUS_OF_OPERATOR = {
    "price": 202,
    "stock": 202,
    "shipment": 202,
    "listing": 202,
    "post": 202,
    "weather": 403,
    "macro": 403,
    "bar": 403,
}


@pytest.mark.parametrize("kind", sorted(kinds().keys() - {DEAD_LETTER}))  # refusals write dead letters
def test_kind_is_accepted_from_the_roles_that_may_send_it(api: Api, broker: Broker, kind: str) -> None:
    """Devices and operators send events of markets and shops; national data require the role central."""
    since = broker.ends()
    body = next((case.bodies[0] for case in CASES if case.kind == kind and case.stream == "silver"), b"{}")
    central = 202 if kinds()[kind].over_http else 404
    assert api.post(f"/api/v1/ingest/{kind}", body, "central").status_code == central
    for role in ("device", "operator"):
        response = api.post(f"/api/v1/ingest/{kind}", body, role)
        assert response.status_code == STATUS_OF_OPERATOR.get(kind, central), response.text
        named = body[:-1] + f', "kind": "{kind}"}}'.encode()
        if response.status_code == 403:
            assert response.json()["type"] == "/problems/forbidden"
            assert api.post("/ingest", named, role).status_code == 403, "also when the payload names its kind"
            result = api.post("/ingest", b"[" + named + b"," + VALID + b"]", role).json()
            assert [item["errors"] for item in result["items"]] == [
                [{"pointer": "/kind", "code": "kind_forbidden"}],
                [],
            ]
    if central == 404:
        named = b'{"kind": "%s"}' % kind.encode()
        assert api.post("/ingest", named, "admin").json()["errors"][0]["code"] == "unknown_kind"
        assert not broker.records(since, f"lumbung.{kind}", 0)


def test_event_arrives_with_its_exact_bytes_and_headers(api: Api, broker: Broker) -> None:
    since = broker.ends()
    response = api.post("/ingest", VALID)
    receipt = response.json()
    assert response.status_code == 202 and receipt["kinds"] == ["price"] and receipt["status"] == "accepted"
    (record,) = broker.records(since, "lumbung.price", 1)
    headers = headers_of(record)
    assert record.value() == VALID and record.key() == b"PASAR-001|garam"
    assert (headers["event_id"], headers["kind"], headers["content_type"]) == (
        receipt["event_id"],
        "price",
        "application/json",
    )
    assert headers["received_at"].startswith(receipt["received_at"].removesuffix("Z")[:19])
    assert api.post("/ingest", VALID).json()["event_id"] == receipt["event_id"], (
        "a redelivery has the same id"
    )


def test_price_with_a_reading_becomes_two_events(api: Api, broker: Broker) -> None:
    since = broker.ends()
    assert api.post("/ingest", BOTH, "device").json()["kinds"] == ["price", "sensor"]
    records = [broker.records(since, topic, 1) for topic in ("lumbung.price", "lumbung.sensor")]
    assert [len(received) for received in records] == [1, 1] and {
        received[0].value() for received in records
    } == {BOTH}
    assert {headers_of(received[0])["source"] for received in records} == {"api:device"}


@pytest.mark.parametrize("form", ["array", "lines"])
def test_events_of_a_batch_keep_their_bytes(api: Api, broker: Broker, form: str) -> None:
    since = broker.ends()
    valid = [
        b'{"market_id": "PASAR-001",  "commodity":"garam","price":1.10e4}',
        '{"market_id":"P-1","commodity":"é","price":2}'.encode(),
    ]
    bad = b'{"market_id":"PASAR-001","commodity":"garam","price":"1"}'
    pieces = [valid[0], bad, valid[1]]
    body, media = (
        (b"[ " + b" ,\n".join(pieces) + b" ]", "application/json")
        if form == "array"
        else (b"\n".join(pieces) + b"\n", "application/x-ndjson")
    )
    response = api.post("/api/v1/ingest/price", body, "central", media)
    result = response.json()
    assert (response.status_code, result["accepted"], result["rejected"]) == (202, 2, 1)
    assert [item["status"] for item in result["items"]] == ["accepted", "rejected", "accepted"]
    assert result["items"][1] == {
        "index": 1,
        "event_id": None,
        "status": "rejected",
        "errors": [{"pointer": "/price", "code": "field_type"}],
    }
    assert {record.value() for record in broker.records(since, "lumbung.price", 2)} == set(valid)
    (dead,) = broker.records(since, DEAD_LETTERS, 1)
    assert dead.value() == bad and headers_of(dead)["original_topic"] == "lumbung.price"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[]", 422, "batch_size"),
        (b"[" + b",".join([VALID] * 1001) + b"]", 422, "batch_size"),
        (b"[" + VALID + b",]", 400, "payload_json"),
        (b"[" + VALID + b"] x", 400, "payload_json"),
        (b"[" + VALID, 400, "payload_json"),
        (b"[" * 100_000, 400, "payload_json"),
        (b'["\xff"]', 400, "payload_utf8"),
        (b"[1,{}]", 422, "payload_json"),
    ],
    ids=["empty", "1001", "comma", "surplus", "cut", "deep", "not utf-8", "no objects"],
)
def test_invalid_batch_is_refused(api: Api, broker: Broker, body: bytes, status: int, code: str) -> None:
    since = broker.ends()
    response = api.post("/ingest", body)
    assert response.status_code == status and response.json()["errors"][0]["code"] == code, response.text
    assert broker.records(since, DEAD_LETTERS, 1), "refused bodies are dead letters"
    assert not broker.records(since, "lumbung.price", 0)


def test_body_larger_than_the_limit_is_refused_while_it_is_read(broker: Broker, tmp_path: Path) -> None:
    """By Content-Length before it is read; a body without a length as soon as it is too large."""
    api = ApiProcess(new_stack(tmp_path, broker))
    bearer = f"Authorization: Bearer {api.stack.tokens['device']}\r\n".encode()
    request = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + bearer

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b"[" + b" " * 65536

    try:
        with socket.create_connection(("127.0.0.1", api.stack.api_port), 60) as wire:
            wire.sendall(request + b"Content-Length: 99999999999\r\n\r\n{")
            assert wire.recv(100).startswith(b"HTTP/1.1 413")
        response = api.request(
            "POST", "/ingest", "device", content=endless(), headers={"Content-Type": "application/json"}
        )
        assert (response.status_code, response.json()["type"]) == (413, "/problems/payload-too-large")
    finally:
        api.stop()


def test_roles_that_may_send(api: Api, broker: Broker) -> None:
    since = broker.ends()
    statuses = {
        role: api.post("/ingest", b"{}", role).status_code
        for role in ("device", "user", "operator", "central", "admin")
    }
    assert statuses == {"device": 422, "user": 403, "operator": 422, "central": 422, "admin": 422}
    unknown = api.request(
        "POST",
        "/ingest",
        content=b"{}",
        headers={"Content-Type": "application/json", "Authorization": "Bearer x"},
    )
    assert (unknown.status_code, unknown.json()["type"]) == (401, "/problems/token-invalid")
    assert api.post("/ingest", b"{}", None).json()["type"] == "/problems/unauthorized"
    assert len(broker.records(since, DEAD_LETTERS, 4)) == 4, "callers that may not send write no dead letters"


def accepted_id(own: Api, body: bytes) -> str:
    """The id of an event that is sent until Kafka has acknowledged it, as a 503 asks for."""
    response = answered(lambda: own.post("/ingest", body))
    assert response.status_code == 202
    event_id: str = response.json()["event_id"]
    return event_id


def test_503_while_kafka_is_unavailable_and_202_afterwards(broker: Broker, tmp_path: Path) -> None:
    """202 only after Kafka has acknowledged; the same body is accepted when Kafka is back."""
    timeless = (
        b'{"market_id": "PASAR-001", "commodity": "garam", "price": 11500}'  # else its id follows from it
    )
    own = Api(new_stack(tmp_path, broker, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="1"))
    try:
        accepted_id(own, timeless)
        with broker.halted():
            response = own.post("/ingest", timeless)
            assert (response.status_code, response.json()["type"]) == (503, "/problems/kafka-unavailable")
            assert int(response.headers["retry-after"]) >= 1
            (event_id,) = response.json()["event_ids"]
            assert "event_ids" in response.json()["detail"]
            unclear = orjson.dumps([orjson.loads(timeless), {}, orjson.loads(timeless)])
            first, refused, last = own.post("/ingest", unclear).json()["event_ids"]
            assert refused is None and len({event_id, first, last}) == 3
            assert own.post("/ingest", b"{}").status_code == 422, "an invalid event is still refused"
            assert own.get("/livez").status_code == 200
            assert own.get("/readyz").status_code == 503
        identified = orjson.dumps(orjson.loads(timeless) | {"event_id": event_id})
        assert accepted_id(own, identified) == event_id
    finally:
        own.stop()
