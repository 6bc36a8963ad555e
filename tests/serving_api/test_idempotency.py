"""One key, one request, one answer: again after a restart, never for another request, never sent twice."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving_api.kept_answers import KeptAnswers
from tests.conftest import Broker
from tests.serving_api.conftest import Api, stack_on

BODY = b'{"market_id":"PASAR-001","commodity":"garam","price":11500}'  # without id and time: each sending would be an event
OTHER = b'{"market_id":"PASAR-001","commodity":"garam","price":11501}'


def send(api: Api, key: str, body: bytes = BODY, role: str | None = "operator", path: str = "/ingest") -> Any:
    return api.ask("POST", path, role, content=body, headers={"Content-Type": "application/json", "Idempotency-Key": key})


def test_the_same_request_gets_its_first_answer_and_is_sent_once(api: Api, broker: Broker) -> None:
    since = broker.ends()
    first, second = send(api, "k1"), send(api, "k1")
    assert first.status_code == second.status_code == 202 and first.content == second.content
    assert "idempotency-replayed" not in first.headers and second.headers["idempotency-replayed"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"], "each request has its own id"
    assert len(broker.records(since, "lumbung.price", 1, 3)) == 1


def test_another_request_under_the_key_is_refused(api: Api, broker: Broker) -> None:
    since = broker.ends()
    assert send(api, "k2").status_code == 202
    for again in (send(api, "k2", OTHER), send(api, "k2", path="/api/v1/ingest/price")):
        assert (again.status_code, again.json()["type"]) == (409, "/problems/idempotency-conflict")
        assert again.headers["x-content-type-options"] == "nosniff"
    assert send(api, "k2", OTHER, role="device").status_code == 202, "keys are the caller's own"
    assert len(broker.records(since, "lumbung.price", 2, 3)) == 2


def test_many_at_once_are_sent_once(api: Api, broker: Broker) -> None:
    since = broker.ends()
    with ThreadPoolExecutor(8) as pool:
        answers = [one.result() for one in [pool.submit(send, api, "k3") for _ in range(8)]]
    assert {one.status_code for one in answers} == {202} and len({one.content for one in answers}) == 1
    assert sorted(one.headers.get("idempotency-replayed", "") for one in answers) == ["", *["true"] * 7]
    assert len(broker.records(since, "lumbung.price", 1, 3)) == 1


def test_refusals_are_answers_too_but_not_those_about_the_caller(api: Api) -> None:
    first, second = send(api, "k4", b"{}"), send(api, "k4", b"{}")
    assert (first.status_code, second.status_code) == (422, 422) and second.headers["idempotency-replayed"] == "true"
    assert second.headers["content-type"] == "application/problem+json"
    for _ in range(2):
        assert "idempotency-replayed" not in send(api, "k5", role="user").headers
    assert send(api, "k6", b"[" + b" " * 1_100_000).status_code == 413, "larger than is read"


@pytest.mark.parametrize("key", ["", "x" * 129, "with space", "tab\there"])
def test_keys_that_are_none(api: Api, key: str) -> None:
    answer = send(api, key)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/Idempotency-Key")


def test_a_killed_service_gives_the_same_answers_and_does_not_guess(broker: Broker, tmp_path: Path) -> None:
    """What was answered before kill -9 is answered again; what was under way is neither repeated nor invented."""
    stack = stack_on(broker, tmp_path, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="30")
    own, since = Api(stack), broker.ends()
    first = send(own, "before")
    broker.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as pool:
            cut_off = pool.submit(send, own, "cut-off")
            time.sleep(1)
            own.process.kill()
            own.process.wait(10)
            assert cut_off.exception(10) is not None
    finally:
        broker.process.send_signal(signal.SIGCONT)
    own = Api(stack)
    try:
        again = send(own, "before")
        assert again.content == first.content and again.headers["idempotency-replayed"] == "true"
        unknown = send(own, "cut-off")
        assert (unknown.status_code, unknown.json()["type"]) == (409, "/problems/idempotency-conflict")
        assert "not known" in unknown.json()["detail"] and "idempotency-replayed" not in unknown.headers
        assert len(broker.records(since, "lumbung.price", 1, 3)) <= 2
    finally:
        own.stop()
    assert (tmp_path / "state" / "answers.sqlite").stat().st_mode & 0o077 == 0


def test_what_kafka_did_not_take_may_be_sent_again(broker: Broker, tmp_path: Path) -> None:
    own = Api(stack_on(broker, tmp_path, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="1"))
    try:
        assert send(own, "warm").status_code == 202
        broker.process.send_signal(signal.SIGSTOP)
        try:
            assert send(own, "k").status_code == 503
        finally:
            broker.process.send_signal(signal.SIGCONT)
        answer = send(own, "k")
        assert answer.status_code == 202 and "idempotency-replayed" not in answer.headers
    finally:
        own.stop()


def test_keys_are_kept_for_a_day_and_bounded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conf.settings import settings
    from serving_api import kept_answers

    monkeypatch.setattr(settings().api, "idempotency_keys", 3)
    monkeypatch.setattr(kept_answers, "TIDY_EVERY", 1)
    kept = KeptAnswers()
    now = time.time()
    clock = [now - 86_400 - 1]
    monkeypatch.setattr(kept_answers.time, "time", lambda: clock[0])
    assert kept.reserve("a", "old", b"1") is None
    clock[0] = now - 86_000
    known = kept.reserve("a", "old", b"2")
    assert known is not None and known.request == b"1" and known.answer is None
    clock[0] = now
    assert kept.reserve("a", "old", b"2") is None, "a day is over"
    for number in range(6):
        clock[0] = now + number + 1
        assert kept.reserve("a", f"n{number}", b"x") is None
        assert kept.reserve("b", "other", b"x") is None or number
    kept.keep("a", "n5", 202, [("content-type", "text/plain")], b"hi")
    assert kept.reserve("a", "n5", b"x") == (b"x", (202, [("content-type", "text/plain")], b"hi"))
    assert kept.reserve("b", "other", b"x") is not None, "one caller's keys do not drive out another's"
    assert kept.reserve("a", "n0", b"x") is None, "the oldest was forgotten"
    kept.close()
