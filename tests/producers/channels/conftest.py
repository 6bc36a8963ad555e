"""The worker's part for people, with a store and a queue of its own; and a mail server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiosmtpd.controller import Controller

from conf.settings import settings
from lakehouse.io.alert_deliveries import Deliveries
from lakehouse.io.identity.database import Database
from producers.channels.channel import PERSONAL, Mail, Telegram
from producers.channels.personal import PersonalNews
from producers.channels.sender import Sender
from scripts.stack.throwaway import free_ports


class MailBox:
    """An SMTP server that keeps what it accepts; addresses that begin with `full` are refused for now."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        if address.startswith("full"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def mail_box() -> Iterator[tuple[MailBox, str]]:
    box = MailBox()
    (port,) = free_ports(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture
def run(lake: Path) -> Callable[[Callable[[Database, PersonalNews, Deliveries], Awaitable[Any]]], Any]:
    """Runs a coroutine with the store, the worker's part under test, and its queue of deliveries."""

    def start(work: Callable[[Database, PersonalNews, Deliveries], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            database = Database()
            await database.migrate()
            deliveries = Deliveries()
            mail = Mail("smtp://127.0.0.1:9", "lumbung@example.id", [], 1.0)
            client = httpx2.AsyncClient()
            bot = Telegram(client, "http://127.0.0.1:9", "token", [])
            mail.name, bot.name = PERSONAL["email"], PERSONAL["telegram"]
            sender = Sender(deliveries, [mail, bot], [], settings().alerts, site="https://lumbung.example.id")
            channels = {"email": mail, "telegram": bot}
            try:
                return await work(database, PersonalNews(database, sender, channels), deliveries)
            finally:
                await client.aclose()
                deliveries.close()
                await database.close()

        return asyncio.run(whole())

    return start
