"""The worker's part for people, with a store and a queue of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from conf.settings import settings
from lakehouse.io.alert_deliveries import Deliveries
from lakehouse.io.identity.database import Database
from producers.channels.channel import PERSONAL, Mail, Telegram
from producers.channels.personal import PersonalNews
from producers.channels.sender import Sender


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
