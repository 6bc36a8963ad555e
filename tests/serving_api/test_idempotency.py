"""A key belongs to one request: its response is repeated, also after a restart."""

import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conf.settings import settings
from serving_api.http import idempotency_store
from serving_api.http.idempotency_store import KeptResponses
from serving_api.http.problems import from_exception
from tests.conftest import Broker, headers_of
from tests.support.api import Api, ApiProcess, answered, new_stack
from tests.support.waiting import eventually

# Has no id and time, so each sending is a new event.
BODY = b'{"market_id":"PASAR-001","commodity":"garam","price":11500}'
JSON = "application/json"
OTHER = b'{"market_id":"PASAR-001","commodity":"garam","price":11501}'


def send(api: Api, key: str, body: bytes = BODY, role: str | None = "operator", path: str = "/ingest") -> Any:
    return api.request(
        "POST", path, role, content=body, headers={"Content-Type": "application/json", "Idempotency-Key": key}
    )


def accepted(api: Api, key: str, body: bytes = BODY) -> Any:
    """The first response of 202, which Kafka may give late."""
    response = answered(lambda: send(api, key, body))
    assert response.status_code == 202 and "idempotency-replayed" not in response.headers
    return response


def is_reserved(home: Path, key: str) -> bool:
    """Whether the service has begun to carry out a request with the key."""
    with closing(sqlite3.connect(home / "state" / "answers.sqlite")) as store:
        return bool(store.execute("select 1 from answers where key = ?", (key,)).fetchone())


def test_repeated_request_gets_its_first_response_and_is_sent_once(api: Api, broker: Broker) -> None:
    since = broker.ends()
    first, second = send(api, "k1"), send(api, "k1")
    assert first.status_code == second.status_code == 202 and first.content == second.content
    assert "idempotency-replayed" not in first.headers and second.headers["idempotency-replayed"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"], "each request has its own id"
    assert len(broker.records(since, "lumbung.price", 1)) == 1


def test_other_request_under_the_same_key_is_refused(api: Api, broker: Broker) -> None:
    since = broker.ends()
    assert send(api, "k2").status_code == 202
    for again in (send(api, "k2", OTHER), send(api, "k2", path="/api/v1/ingest/price")):
        assert (again.status_code, again.json()["type"]) == (409, "/problems/idempotency-conflict")
        assert again.headers["x-content-type-options"] == "nosniff"
    assert send(api, "k2", OTHER, role="device").status_code == 202, "keys are the caller's own"
    assert len(broker.records(since, "lumbung.price", 2)) == 2


def test_concurrent_requests_under_one_key_are_sent_once(api: Api, broker: Broker) -> None:
    since = broker.ends()
    with ThreadPoolExecutor(8) as pool:
        responses = [future.result() for future in [pool.submit(send, api, "k3") for _ in range(8)]]
    assert {response.status_code for response in responses} == {202} and len(
        {response.content for response in responses}
    ) == 1
    assert sorted(response.headers.get("idempotency-replayed", "") for response in responses) == [
        "",
        *["true"] * 7,
    ]
    assert len(broker.records(since, "lumbung.price", 1)) == 1


def test_refusals_are_repeated_except_those_about_the_caller(api: Api) -> None:
    first, second = send(api, "k4", b"{}"), send(api, "k4", b"{}")
    assert (first.status_code, second.status_code) == (422, 422) and second.headers[
        "idempotency-replayed"
    ] == "true"
    assert second.headers["content-type"] == "application/problem+json"
    for _ in range(2):
        assert "idempotency-replayed" not in send(api, "k5", role="user").headers
    assert send(api, "k6", b"[" + b" " * 1_100_000).status_code == 413, "larger than any body that is read"


@pytest.mark.parametrize("key", ["", "x" * 129, "with space", "tab\there"])
def test_invalid_key_is_refused(api: Api, key: str) -> None:
    response = send(api, key)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/Idempotency-Key")


def test_request_that_a_kill_interrupted_is_carried_out_again_with_the_same_event_id(
    broker: Broker, tmp_path: Path
) -> None:
    """Responses before kill -9 are repeated; of a request in progress nobody knows whether it was stored."""
    stack = new_stack(tmp_path, broker, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="30")
    own = ApiProcess(stack)
    since = broker.ends()
    first = send(own, "before")
    with broker.halted(), ThreadPoolExecutor(1) as pool:
        cut_off = pool.submit(send, own, "cut-off")
        eventually(lambda: is_reserved(tmp_path, "cut-off"))
        own.process.kill()
        own.process.wait()
        assert cut_off.exception() is not None
    own = ApiProcess(stack)
    try:
        again = send(own, "before")
        assert again.content == first.content and again.headers["idempotency-replayed"] == "true"
        assert send(own, "cut-off", OTHER).status_code == 409, "the key belongs to the first request"
        receipt = accepted(own, "cut-off").json()
        assert send(own, "cut-off").headers["idempotency-replayed"] == "true"
        # What the broker held from before the kill was taken by then, or is lost.
        ids = [headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 2)]
        assert sorted(set(ids)) == sorted({first.json()["event_id"], receipt["event_id"]}) and len(ids) <= 3
    finally:
        own.stop()
    assert (tmp_path / "state" / "answers.sqlite").stat().st_mode & 0o077 == 0


def test_key_of_a_running_process_is_not_taken_over(home: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other, closing(KeptResponses()) as store:
        try:
            assert store.reserve("a", "k", b"1") is None
            store._db.execute("update answers set pid = ?, at = at + 5", (other.pid,))
            assert store.reserve("a", "k", b"1") == (b"1", None)
        finally:
            other.kill()
        other.wait()
        assert store.reserve("a", "k", b"2") == (b"1", None), "another request"
        assert store.reserve("a", "k", b"1") is None
        assert store.reserve("a", "k", b"1") == (b"1", None), "it belongs to this process now"


def test_kept_response_is_sent_in_the_coding_of_each_caller(api: Api) -> None:
    many = b"[%s]" % b",".join([BODY] * 50)

    def sent(coding: str) -> Any:
        headers = {"Content-Type": JSON, "Idempotency-Key": "k-coding", "Accept-Encoding": coding}
        return answered(lambda: api.request("POST", "/ingest", "operator", content=many, headers=headers))

    first = sent("gzip")
    again = sent("identity")
    assert first.headers["content-encoding"] == "gzip" and "content-encoding" not in again.headers
    assert again.headers["idempotency-replayed"] == "true" and again.json() == first.json()


def test_key_of_a_request_that_failed_within_the_service_may_be_used_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*given: object) -> None:
        raise RuntimeError("a fault of the program")

    with monkeypatch.context() as patch:
        patch.setattr("serving_api.writes.intake.publish", broken)
        assert send(api, "k-fault").status_code == 500
    accepted(api, "k-fault")


def test_key_of_a_503_may_be_used_again(broker: Broker, tmp_path: Path) -> None:
    own = Api(new_stack(tmp_path, broker, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="1"))
    try:
        accepted(own, "warm")
        with broker.halted():
            assert send(own, "k").status_code == 503
        accepted(own, "k")
    finally:
        own.stop()


@pytest.mark.parametrize("body", [BODY, b"[%s,%s]" % (BODY, BODY)], ids=["one event", "batch"])
def test_events_of_a_503_keep_their_ids_when_the_request_is_repeated(
    broker: Broker, tmp_path: Path, body: bytes
) -> None:
    """The records reached Kafka although the answer was 503."""
    own = Api(new_stack(tmp_path, broker, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="1"))
    try:
        accepted(own, "warm")
        since = broker.ends()
        with broker.halted():
            refused = send(own, "k", body)
        detail = refused.json()["detail"]
        assert refused.status_code == 503 and "not known" in detail and "Idempotency-Key" in detail
        receipt = accepted(own, "k", body).json()
        ids = {item["event_id"] for item in receipt.get("items", [receipt])}
        assert len(ids) == body.count(b"garam"), "equal events of one batch are two events"
        records = broker.records(since, "lumbung.price", 2 * len(ids))
        assert {headers_of(record)["event_id"] for record in records} == ids
    finally:
        own.stop()


def test_keys_are_kept_for_a_day_and_bounded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings().api, "idempotency_keys", 3)
    monkeypatch.setattr(idempotency_store, "TIDY_EVERY", 1)
    now = 4_000_000_000.0  # this process has begun before
    clock = [now - 86_400 - 1]
    kept = KeptResponses(clock=lambda: clock[0])
    assert kept.reserve("a", "old", b"1") is None
    clock[0] = now - 86_000
    known = kept.reserve("a", "old", b"2")
    assert known is not None and known.request == b"1" and known.response is None
    clock[0] = now
    assert kept.reserve("a", "old", b"2") is None, "a day is over"
    for number in range(6):
        clock[0] = now + number + 1
        assert kept.reserve("a", f"n{number}", b"x") is None
        assert kept.reserve("b", "other", b"x") is None or number
    kept.keep("a", "n5", 202, {"content-type": "text/plain"}, b"hi")
    assert kept.reserve("a", "n5", b"x") == (b"x", (202, {"content-type": "text/plain"}, b"hi"))
    assert kept.reserve("b", "other", b"x") is not None, "one caller's keys do not drive out another's"
    assert kept.reserve("a", "n0", b"x") is None, "the oldest was forgotten"
    kept.close()


def test_kept_responses_are_bounded_by_bytes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses to batches have up to 100 KB: the bound of keys alone allowed 2 GB a caller."""
    monkeypatch.setattr(settings().api, "idempotency_bytes", 80_000)
    kept = KeptResponses()
    assert kept.reserve("b", "other", b"x") is None
    kept.keep("b", "other", 202, {}, b"hi")
    assert kept.reserve("a", "in progress", b"x") is None
    sizes = "select sum(length(headers) + length(body)) from answers where caller = 'a'"
    for number in range(100):
        assert kept.reserve("a", f"n{number}", b"x") is None
        kept.keep("a", f"n{number}", 202, {}, b"y" * 3000)
        assert kept._db.execute(sizes).fetchone()[0] <= 80_000
    newest = kept.reserve("a", "n99", b"x")
    assert newest is not None and newest.response == (202, {}, b"y" * 3000)
    for caller, key in (("b", "other"), ("a", "in progress"), ("a", "n80")):
        assert kept.reserve(caller, key, b"x") is not None, f"{key} is still known"
    assert kept.reserve("a", "n70", b"x") is None, "the oldest were forgotten"
    kept.close()


def test_kept_responses_of_all_callers_are_bounded_by_bytes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may open accounts, each with a share of its own."""
    monkeypatch.setattr(settings().api, "idempotency_bytes", 80_000)
    monkeypatch.setattr(settings().api, "idempotency_all_bytes", 100_000)
    kept = KeptResponses()
    sizes = "select sum(length(headers) + length(body)) from answers"
    for number in range(100):
        assert kept.reserve(f"account {number}", "k", b"x") is None
        kept.keep(f"account {number}", "k", 202, {}, b"y" * 3000)
        assert kept._db.execute(sizes).fetchone()[0] <= 100_000
    newest = kept.reserve("account 99", "k", b"x")
    assert newest is not None and newest.response is not None
    assert kept.reserve("account 0", "k", b"x") is None, "the oldest were forgotten"
    kept.close()


def kept(api: Api) -> int:
    store = api.shared(KeptResponses)
    return int(store._db.execute("select count(*) from answers").fetchone()[0])


def test_nothing_is_kept_for_callers_without_a_known_token(api: Api) -> None:
    """Each new text in Authorization was a caller of its own, with keys of its own."""
    before = kept(api)
    for number in range(3):
        headers = {"Authorization": f"Bearer {number}", "Idempotency-Key": "k", "Content-Type": JSON}
        assert api.request("POST", "/ingest", content=b"{}", headers=headers).status_code == 401
        predicted = "/api/v1/predict/price/garam"
        assert api.request("POST", predicted, content=b"{}", headers=headers).status_code == 401
    assert send(api, "k", b"{}", None, "/api/v1/predict/price/garam").status_code == 404
    assert kept(api) == before
    assert send(api, "k-known").status_code == 202 and kept(api) == before + 1


def test_full_disk_is_503_storage_full(broker: Broker, tmp_path: Path) -> None:
    """SQLite reports a full disk when its file may not grow."""
    own = Api(new_stack(tmp_path, broker))
    try:
        store = own.shared(KeptResponses)
        pages = store._db.execute("pragma page_count").fetchone()[0]
        store._db.execute(f"pragma max_page_count = {pages}")
        for number in range(200):
            response = send(own, f"{number:0128}", b"{}")
            if response.status_code != 422:
                break
        assert (response.status_code, response.json()["type"]) == (503, "/problems/storage-full")
        assert response.headers["retry-after"] and own.get("/livez").status_code == 200
    finally:
        own.stop()


def test_write_to_a_full_device_is_storage_full() -> None:
    """Also as the cause of another error."""
    with pytest.raises(RuntimeError) as failure:
        try:
            Path("/dev/full").write_bytes(b"x" * 10_000)
        except OSError as error:
            raise RuntimeError("the job was not queued") from error
    assert from_exception(failure.value).slug == "storage-full"
    assert from_exception(OSError(13, "denied")).slug == "internal"
