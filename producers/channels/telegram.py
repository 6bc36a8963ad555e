"""Telegram: the method sendMessage of the Bot API (core.telegram.org/bots/api#sendmessage).

The API cannot recognise a repeated message: after a kill in the midst of sending it may be sent twice.
"""

import httpx2
import orjson

from lakehouse.io.alert_deliveries import Delivery
from producers.channels.channel import PERSONAL, PermanentFailure, Recipient, answered, post

LONGEST_TEXT = 4096


class Telegram:
    """Messages of a bot to chats."""

    name = "telegram"

    def __init__(self, client: httpx2.AsyncClient, url: str, token: str, chats: list[str]) -> None:
        self._client = client
        self._url = f"{url}/bot{token}/sendMessage"
        self.recipients = [Recipient(chat) for chat in chats]

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """`message_id` of the chat."""
        text = f"{delivery.subject}\n{delivery.body}"[:LONGEST_TEXT]
        content = orjson.dumps({"chat_id": recipient.address, "text": text})
        answer = await post(self._client, self._url, content, {})
        if answered(answer, "ok") is not True:
            raise PermanentFailure("the bot service refused it")
        return str(answered(answer, "result", "message_id"))


class PersonalTelegram(Telegram):
    """Messages to people who want them in a chat; which one is read from the store."""

    name = PERSONAL["telegram"]
