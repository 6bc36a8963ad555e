"""Accounts whose owner must open a mail first, with a real SMTP server."""

import email
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from scripts.stack.throwaway import free_ports
from serving_api.services import open_mail
from serving_api.writes.verification import Verification
from tests.conftest import Broker
from tests.support.api import Api, Environment, new_stack
from tests.support.identity.people import PASSWORD, add_person, send
from tests.support.waiting import eventually

REGISTER = "/api/v1/users/register"
ANOTHER = "angin sepoi di tepi sawah"


class MailBox:
    """Keeps what it gets; the first mail is refused for the moment."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []
        self.refused = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if not self.refused:
            self.refused = 1
            return "451 try again later"
        text = email.message_from_bytes(envelope.content).get_payload(decode=True).decode()  # type: ignore[union-attr]
        self.mails.append((envelope.rcpt_tos, text))
        return "250 OK"


@pytest.fixture
def verified(broker: Broker, tmp_path: Path) -> Iterator[tuple[Api, MailBox]]:
    box = MailBox()
    (port,) = free_ports(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    api = Api(
        new_stack(
            tmp_path,
            broker,
            LUMBUNG_IDENTITY__VERIFY_EMAIL="true",
            LUMBUNG_API__PUBLIC_URL="https://harga.example.id",
            SMTP_URL=f"smtp://127.0.0.1:{port}",
            MAIL_FROM="lumbung@example.id",
        )
    )
    yield api, box
    api.stop()
    controller.stop()


def register(api: Api, address: str) -> None:
    body = {"email": address, "password": PASSWORD, "locale": "en"}
    response = send(api, "POST", REGISTER, body)
    assert (response.status_code, response.json()) == (202, {"status": "accepted"})


def finish(api: Api) -> None:
    """Wait until nothing is under way of the registrations so far: that is after their answers."""
    verification = api.shared(Verification)
    eventually(lambda: not verification._under_way)


def login(api: Api, address: str, password: str) -> int:
    body = {"email": address, "password": password}
    status: int = send(api, "POST", "/api/v1/auth/login", body).status_code
    return status


def test_link_of_the_mail_sets_the_password_and_the_one_that_was_sent_before_does_not(
    verified: tuple[Api, MailBox],
):
    api, box = verified
    add_person(api.stack, "known@example.id")
    register(api, "known@example.id")  # has a password: no mail
    register(api, "new@example.id")
    finish(api)
    assert box.refused == 1 and box.mails, "the mail server refused the first attempt for the moment"
    register(api, "new@example.id")  # has a link that is valid: no second mail
    finish(api)
    assert login(api, "new@example.id", PASSWORD) == 401
    ((addresses, text),) = box.mails
    link = re.search(r"https://harga\.example\.id/masuk#(\S+)", text)
    assert addresses == ["new@example.id"] and link is not None
    body = {"link": link[1], "password": ANOTHER}
    assert send(api, "POST", "/api/v1/auth/link", body).status_code == 200
    assert login(api, "new@example.id", ANOTHER) == 200


def test_without_a_mail_server_the_log_names_it_and_an_unusable_server_ends_the_start(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    knobs = {"LUMBUNG_IDENTITY__VERIFY_EMAIL": "true"}
    api = Api(new_stack(tmp_path / "mock", broker, **knobs))
    try:
        register(api, "nobody@example.id")
        finish(api)
        assert "no SMTP_URL" in caplog.text and "nobody@" not in caplog.text
    finally:
        api.stop()
    broken = new_stack(tmp_path / "broken", broker, **knobs, SMTP_URL="http://mail.example.id")
    with Environment(broken).entered(), pytest.raises(SystemExit) as refused:
        open_mail()
    assert refused.value.code == 2
