"""Channels against servers of their protocols: aiosmtpd, and HTTP with the recorded answers of the APIs."""

import asyncio
import hmac
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from conf.settings import REPO, child_environment, settings
from lakehouse.alerts.notices import Notice
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.alert_deliveries import Deliveries, Delivery, deliveries_file
from lakehouse.io.delta import replace_rows
from producers.channels.channel import Channel, Mail, Recipient, Telegram, WebHooks, WhatsApp
from producers.channels.sender import Sender
from scripts.stack.throwaway import free_ports
from tests.producers.channels.conftest import MailBox
from tests.producers.channels.http_service import HttpService
from tests.support.waiting import eventually

TOKEN = "123456:a-token-that-must-not-leak"
SECRET = "a-secret-of-a-web-hook"
NOW = datetime.now(UTC).replace(microsecond=0)
# As the services answer.
TELEGRAM_OK = {
    "ok": True,
    "result": {"message_id": 77, "chat": {"id": 5, "type": "group"}, "date": 1763769600},
}
TELEGRAM_BUSY = {
    "ok": False,
    "error_code": 429,
    "description": "Too Many Requests: retry after 3",
    "parameters": {"retry_after": 3},
}
WHATSAPP_OK = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "628111", "wa_id": "628111"}],
    "messages": [{"id": "wamid.HBgL", "message_status": "accepted"}],
}


@pytest.fixture
def service() -> Iterator[HttpService]:
    running = HttpService()
    yield running
    running.close()


def notice(nth: int = 1, **more: Any) -> Notice:
    fields: dict[str, Any] = {
        "alert_id": f"al-{nth}",
        "stage": "active",
        "level": "siaga",
        "subject": "Peringatan (siaga): Cabai Rawit Merah, Jawa Barat",
        "body": "Harga naik.\nPeriksa stok.",
        "is_urgent": False,
    }
    return Notice(**{**fields, **more})


def run(
    home: Path,
    make: Callable[[httpx2.AsyncClient], list[Channel]],
    *rounds: list[Notice],
    mocks: tuple[str, ...] = (),
    round_seconds: float = 60,
    begin: float = 0,
    **knobs: Any,
) -> list[dict[str, Any]]:
    """Queue and send the notices of each round; returns the deliveries, newest first.

    `begin`: seconds after NOW. `round_seconds`: how far the clock moves between two rounds; a message that
    failed is due again after 2.
    """

    async def work() -> None:
        now = NOW.timestamp() + begin
        deliveries = Deliveries()
        changed = settings().alerts.model_copy(update={"retry_seconds": 2, "send_seconds": 60, **knobs})
        async with httpx2.AsyncClient(timeout=60) as client:
            sender = Sender(deliveries, make(client), mocks, changed, lambda: now)
            for queued in rounds:
                sender.queue(queued, now)
                sender.start(now)
                await sender.finish()
                now += round_seconds
        deliveries.close()

    asyncio.run(work())
    return delivery_rows()


def delivery_rows() -> list[dict[str, Any]]:  # newest first
    with closing(sqlite3.connect(deliveries_file())) as db:
        db.row_factory = sqlite3.Row
        return list(map(dict, db.execute("select * from deliveries order by created_at desc, delivery_id")))


def test_telegram_message_reaches_each_chat_once(home: Path, service: HttpService):
    service.answers = [(200, TELEGRAM_OK)]
    rows = run(
        home, lambda client: [Telegram(client, service.url, TOKEN, ["5", "6"])], [notice()], [notice()]
    )
    assert [(row["state"], row["message_id"]) for row in rows] == [("sent", "77")] * 2
    assert sorted(body["chat_id"] for body in service.bodies()) == ["5", "6"]
    assert {path for path, _, _ in service.received} == {f"/bot{TOKEN}/sendMessage"}
    assert "Periksa stok." in service.bodies()[0]["text"]


def test_busy_channel_gets_the_message_later(
    home: Path, service: HttpService, caplog: pytest.LogCaptureFixture
):
    service.answers = [(500, {}), (200, TELEGRAM_OK)]
    telegram = lambda client: [Telegram(client, service.url, TOKEN, ["5"])]  # noqa: E731
    (row,) = run(home, telegram, [notice()], [], round_seconds=2)
    assert (row["state"], row["attempts"]) == ("sent", 2)
    service.answers = [(429, TELEGRAM_BUSY)]
    service.headers = {"Retry-After": "3"}
    for seconds, attempts in ((2.9, 1), (3, 2)):
        rows = run(home, telegram, [notice(2)], [], round_seconds=seconds)
        (row,) = (row for row in rows if row["alert_id"] == "al-2")
        assert (row["state"], row["attempts"]) == ("queued", attempts), "it asked for three seconds"
    assert TOKEN not in caplog.text and "status 429" in caplog.text


def test_refused_message_is_not_sent_again(home: Path, service: HttpService):
    service.answers = [(400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"})]
    (row,) = run(home, lambda client: [Telegram(client, service.url, TOKEN, ["5"])], [notice()], [])
    assert (row["state"], row["attempts"], row["reason"]) == ("failed", 1, "status 400")


def test_channel_that_is_not_there_is_tried_again(home: Path):
    (row,) = run(home, lambda client: [Telegram(client, "http://127.0.0.1:9", TOKEN, ["5"])], [notice()], [])
    assert (row["state"], row["reason"]) == ("queued", "ConnectError") and row["attempts"] == 2


def test_whatsapp_message_names_its_delivery(home: Path, service: HttpService):
    service.answers = [(200, WHATSAPP_OK)]
    (row,) = run(home, lambda client: [WhatsApp(client, service.url, TOKEN, "99", ["628111"])], [notice()])
    ((path, headers, _),) = service.received
    (body,) = service.bodies()
    assert (path, headers["Authorization"]) == ("/99/messages", f"Bearer {TOKEN}")
    assert (body["to"], body["type"]) == ("628111", "text") and body["biz_opaque_callback_data"].startswith(
        "dl-"
    )
    assert (row["state"], row["message_id"]) == ("sent", "wamid.HBgL")


def test_mail_has_a_message_id_that_follows_from_the_alert(home: Path, mail_box: tuple[MailBox, str]):
    box, url = mail_box
    addresses = ["a@example.org", "full@example.org", "nobody@example.org"]
    rows = run(home, lambda client: [Mail(url, "lumbung@example.org", addresses, 5)], [notice()])
    assert sorted(row["state"] for row in rows) == ["failed", "queued", "sent"]
    (message,) = box.messages
    assert message["To"] == "a@example.org" and message["Subject"].startswith("Peringatan (siaga)")
    assert message["Message-ID"] == next(row["message_id"] for row in rows if row["state"] == "sent")
    assert "Periksa stok." in message.get_payload(decode=True).decode()


@pytest.mark.parametrize("url", ["http://host", "smtp://", "smtp://user@host:25"])
def test_mail_server_that_is_not_usable_is_refused(url: str):
    with pytest.raises(ValueError, match="SMTP_URL|MAIL_FROM"):
        Mail(url, "", ["a@example.org"], 5)


def hooks(service: HttpService) -> Callable[[httpx2.AsyncClient], list[Channel]]:
    return lambda client: [WebHooks(client, [Recipient(service.url, SECRET)])]


def test_web_hook_is_signed_over_its_exact_body(home: Path, service: HttpService):
    service.answers = [(503, {}), (200, {})]
    run(home, hooks(service), [notice()], [])
    first, second = service.received
    assert [body["level"] for body in service.bodies()] == ["siaga", "siaga"]
    for _, headers, body in (first, second):
        expected = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        assert headers["X-Lumbung-Signature"] == f"sha256={expected}"
    assert first[1]["X-Lumbung-Delivery"] == second[1]["X-Lumbung-Delivery"], "a repeat is recognised"


def test_dead_web_hook_is_set_aside_and_the_others_go_on(home: Path, service: HttpService):
    alive = HttpService()
    service.answers = [(500, {})]
    both = lambda client: [WebHooks(client, [Recipient(service.url, SECRET), Recipient(alive.url, SECRET)])]  # noqa: E731
    rows = run(home, both, [notice()], [], [], [notice(2)], [notice(3)], webhook_failures=3)
    alive.close()
    states = {(row["alert_id"], row["state"]) for row in rows}
    assert {("al-1", "set_aside"), ("al-2", "set_aside"), ("al-3", "set_aside")} <= states
    assert len(service.received) == 3 and len(alive.received) == 3


def test_web_hook_that_is_gone_is_set_aside_at_once(home: Path, service: HttpService):
    service.answers = [(410, {})]
    rows = run(home, hooks(service), [notice()], [notice(2)])
    assert sorted(str(row["state"]) for row in rows) == ["failed", "set_aside"] and len(service.received) == 1


ODD_ANSWERS: dict[str, tuple[int, Any, dict[str, str]]] = {
    "a page": (200, b"<html>sign in</html>", {}),
    "a list": (200, [], {}),
    "no text": (200, b"\xff\xfe", {}),
    "broken gzip": (200, b"\x1f\x8b broken", {"Content-Encoding": "gzip"}),
    "half of the answer": (200, {"ok": True, "result": None, "messages": []}, {}),
    "a power of a second": (429, {}, {"Retry-After": "\u00b2"}),
    "a negative time": (429, {}, {"Retry-After": "-5"}),
    "a time without end": (503, {}, {"Retry-After": "9" * 400}),
    "a time as a power": (503, {}, {"Retry-After": "1e30"}),
}


@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_odd_answer_is_a_failed_delivery_that_is_tried_again_within_an_hour(
    home: Path, service: HttpService, odd: str
):
    status, answer, service.headers = ODD_ANSWERS[odd]
    service.answers = [(status, answer)] * 2 + [(200, {**TELEGRAM_OK, **WHATSAPP_OK})]
    both = lambda client: [  # noqa: E731
        Telegram(client, service.url, TOKEN, ["5"]),
        WhatsApp(client, service.url, TOKEN, "99", ["628111"]),
    ]
    rows = run(home, both, [notice()])
    assert [(row["state"], row["attempts"]) for row in rows] == [("queued", 1)] * 2
    service.headers = {}
    rows = run(home, both, [], [], begin=3600)
    assert [(row["state"], row["attempts"]) for row in rows] == [("sent", 2)] * 2


def test_unforeseen_failure_of_a_channel_is_tried_again_and_the_next_message_is_sent(home: Path):
    class Odd:
        name = "webhook"
        recipients = [Recipient("odd", SECRET)]
        failures = [KeyError(TOKEN)]

        async def send(self, recipient: Recipient, delivery: Any) -> str:
            if self.failures:
                raise self.failures.pop()
            return "1"

    rows = run(home, lambda client: [Odd()], [notice(1)], [notice(2)])
    assert {(row["alert_id"], row["state"], row["attempts"]) for row in rows} == {
        ("al-1", "sent", 2),
        ("al-2", "sent", 1),
    }


def test_answer_without_end_is_read_to_64_kib(home: Path, service: HttpService):
    service.is_endless = True
    (row,) = run(home, hooks(service), [notice()])
    eventually(service.hung_up.is_set)
    assert row["state"] == "sent", "the status of a web hook decides"


def test_message_without_an_outcome_is_sent_again_after_ten_times_its_limit(home: Path):
    deliveries = Deliveries()
    deliveries.add([Delivery("dl-1", "al-1", "active", "webhook", "r", "siaga", "s", "b", False)], now=0)
    (lost,) = deliveries.due(now=0)
    deliveries.begin(lost, lost_at=100)
    assert not deliveries.due(now=99) and [each.delivery_id for each in deliveries.due(now=100)] == ["dl-1"]
    assert deliveries.recover() == 1 and deliveries.due(now=0), "a new worker does not wait"
    deliveries.close()


def test_rate_limit_spreads_messages(home: Path, service: HttpService):
    rows = run(home, hooks(service), [notice(nth) for nth in range(5)], messages_per_minute=2)
    assert sorted(str(row["state"]) for row in rows) == ["queued"] * 3 + ["sent"] * 2


def test_quiet_hours_hold_back_what_is_not_urgent(home: Path, service: HttpService):
    wib = NOW + timedelta(hours=7)
    quiet = f"{wib - timedelta(hours=1):%H:%M}-{wib + timedelta(hours=1):%H:%M}"
    rows = run(home, hooks(service), [notice(1), notice(2, is_urgent=True)], quiet_hours=quiet)
    assert {row["alert_id"]: row["state"] for row in rows} == {"al-1": "queued", "al-2": "sent"}


def test_channel_without_a_token_is_a_mock_with_a_reason(home: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    (row,) = run(home, lambda client: [], [notice()], mocks=("telegram",))
    assert (row["channel"], row["state"], row["reason"]) == ("telegram", "mock", "no token")
    assert "mock telegram, no token: Peringatan (siaga)" in caplog.text


def stored_alert() -> None:
    row = {
        "alert_id": "al-1",
        "rule": "price_level",
        "commodity": "bawang-merah",
        "region": "Jawa Barat",
        "level": "kritis",
        "state": "active",
        "tier": 1,
        "stale": False,
        "message": "it rises",
        "message_indonesian": "harga naik",
        "action": "check",
        "action_indonesian": "periksa",
        "opened_at": NOW,
        "active_at": NOW,
        "updated_at": NOW,
    }
    replace_rows("gold.alerts", pa.Table.from_pylist([row], schema=arrow_schema(contracts()["gold.alerts"])))


def worker(lake: Path, service: HttpService, **more: str) -> "subprocess.Popen[str]":
    environment = child_environment(
        LUMBUNG_HOME=str(lake),
        LUMBUNG_ALERTS__WEBHOOKS=json.dumps([{"url": service.url, "secret": SECRET}]),
        LUMBUNG_ALERTS__RETRY_SECONDS="0.2",
        TELEGRAM_TOKEN=TOKEN,
        **more,
    )
    return subprocess.Popen(
        [sys.executable, "-m", "producers.channels.worker"],
        cwd=REPO,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("point", "requests"),
    [
        pytest.param("alert_queued", 1, marks=pytest.mark.slow),
        pytest.param("alert_sending", 1, marks=pytest.mark.slow),
        ("alert_sent", 2),
        pytest.param("alert_settled", 1, marks=pytest.mark.slow),
    ],
)
def test_killed_worker_sends_at_least_once_under_the_same_id(
    lake: Path, service: HttpService, point: str, requests: int
):
    """Killed between request and note it is sent twice, else once: the receiver sees one delivery id."""
    stored_alert()
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}/heartbeat"
    killed = worker(lake, service, LUMBUNG_FAILPOINT=point, LUMBUNG_ALERTS__HEARTBEAT_URL=nobody)
    assert killed.wait(120) == -signal.SIGKILL
    again = worker(lake, service, LUMBUNG_ALERTS__HEARTBEAT_URL=f"{service.url}/secret-of-a-heartbeat")
    eventually(lambda: [row["state"] for row in delivery_rows() if row["channel"] == "webhook"] == ["sent"])
    status_file = lake / "state" / "alert_worker.json"
    eventually(lambda: status_file.exists() and json.loads(status_file.read_text())["pid"] == again.pid)
    second = worker(lake, service)
    assert second.wait(120) == 5, "one worker a home"
    again.send_signal(signal.SIGTERM)
    _, log = again.communicate(timeout=120)
    assert again.returncode == 0
    assert len(service.received) == requests
    assert set(service.visited) == {"/secret-of-a-heartbeat"} and "secret-of-a-heartbeat" not in log
    assert len({headers["X-Lumbung-Delivery"] for _, headers, _ in service.received}) == 1
    was_being_sent = point in ("alert_sending", "alert_sent")
    assert ("sent again" in log) == was_being_sent and SECRET not in log and TOKEN not in log
    status = json.loads(status_file.read_text())
    assert status["state"] == "stopped" and status["deliveries"]["webhook"] == {"sent": 1}
    assert status["channels"] == {"telegram": "mock", "whatsapp": "mock", "email": "off", "webhook": "on"}
    assert oct((lake / "state" / "alert_deliveries.sqlite").stat().st_mode)[-2:] == "00"
