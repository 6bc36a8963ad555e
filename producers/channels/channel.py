"""The channels that messages go by: web hooks, Telegram, WhatsApp, e-mail.

Each sends one message to one recipient, or reports why not.

A web hook gets the alert as JSON, signed with HMAC-SHA256 (RFC 2104) over the exact body. A receiver
compares `X-Lumbung-Signature: sha256=…` in constant time, and recognises a repeat by `X-Lumbung-Delivery`,
which is the same for every attempt.

WhatsApp's Cloud API (developers.facebook.com/docs/whatsapp/cloud-api/messages) gets the delivery's id as
`biz_opaque_callback_data`, by which status call-backs show a repeat.

Telegram's method sendMessage (core.telegram.org/bots/api#sendmessage) cannot recognise a repeated message:
after a kill in the midst of sending it may be sent twice.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import orjson

from lakehouse.io.alert_deliveries import Delivery
from lakehouse.io.smtp import MailServer, NotSent

LONGEST_TEXT = 4096  # of Telegram and WhatsApp
LONGEST_ANSWER_BYTES = 65_536
TOO_MANY = 429
FIRST_SERVER_ERROR = 500
# Way to a person -> the channel whose messages go to one person each.
PERSONAL = {"email": "personal", "telegram": "personal-telegram", "whatsapp": "personal-whatsapp"}


@dataclass(frozen=True)
class Recipient:
    """Where messages go. `fingerprint` stands for the address in tables and logs."""

    address: str
    secret: str = ""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits; another secret is another recipient."""
        return hashlib.sha256(f"{self.address}\0{self.secret}".encode()).hexdigest()[:16]


class Channel(Protocol):
    """A way to send alerts."""

    name: str
    recipients: list[Recipient]

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """The channel's id of the message. Raises NotSent."""


async def post(client: httpx2.AsyncClient, url: str, content: bytes, headers: dict[str, str]) -> bytes:
    """The first 64 KiB of the answer to a POST of JSON, if it is a success; no compression is undone.

    Raises NotSent, for good unless there is no answer, 429 or 5xx. It does not name the URL, which may hold a
    token.
    """
    sent = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
    answer = bytearray()
    try:
        async with client.stream("POST", url, content=content, headers=sent) as response:
            if response.is_success:
                async for part in response.aiter_raw():
                    answer += part
                    if len(answer) >= LONGEST_ANSWER_BYTES:
                        break
    except httpx2.HTTPError as error:
        raise NotSent(type(error).__name__) from None
    except httpx2.InvalidURL:
        raise NotSent("the address is not usable", is_permanent=True) from None
    if response.is_success:
        return bytes(answer[:LONGEST_ANSWER_BYTES])
    reason = f"status {response.status_code}"
    if response.status_code == TOO_MANY or response.status_code >= FIRST_SERVER_ERROR:
        raise NotSent(reason, retry_after=_seconds(response.headers.get("retry-after", "")))
    raise NotSent(reason, is_permanent=True, gone=response.status_code == httpx2.codes.GONE)


def answered(content: bytes, *path: str | int) -> Any:  # noqa: ANN401
    """The value at a path of an answer in JSON. Raises NotSent where there is none.

    A proxy or a page for signing in may have answered in place of the service.
    """
    try:
        value = orjson.loads(content)
        for step in path:
            value = value[step]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise NotSent("an answer that the service does not give") from None
    return value


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 0.0


class Mail:
    """Messages from one address, by the server of an URL smtps://user:password@host:465 or smtp://…"""

    name = "email"

    def __init__(self, url: str, sender: str, addresses: list[str], timeout_seconds: float) -> None:
        self._server = MailServer(url, sender, timeout_seconds)
        self.recipients = [Recipient(address) for address in addresses]

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """The Message-ID, which follows from the delivery."""
        return await self._server.send(
            recipient.address, delivery.subject, delivery.body, delivery.delivery_id
        )


class WhatsApp:
    """Messages of a business number to telephone numbers."""

    name = "whatsapp"

    def __init__(
        self, client: httpx2.AsyncClient, url: str, token: str, sender: str, numbers: list[str]
    ) -> None:
        self._client = client
        self._url = f"{url}/{sender}/messages"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.recipients = [Recipient(number) for number in numbers]

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """`wamid.…` of the message."""
        message = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": recipient.address,
            "type": "text",
            "text": {"body": f"*{delivery.subject}*\n{delivery.body}"[:LONGEST_TEXT]},
            "biz_opaque_callback_data": delivery.delivery_id,
        }
        answer = await post(self._client, self._url, orjson.dumps(message), self._headers)
        return str(answered(answer, "messages", 0, "id"))


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
            raise NotSent("the bot service refused it", is_permanent=True)
        return str(answered(answer, "result", "message_id"))


def signature(secret: str, body: bytes) -> str:
    """`sha256=` and 64 hexadecimal digits."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


class WebHooks:
    """POST requests to addresses, each with a secret of its own. Redirects are not followed."""

    name = "webhook"

    def __init__(self, client: httpx2.AsyncClient, hooks: list[Recipient]) -> None:
        self._client = client
        self.recipients = hooks

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """The delivery's own id: a web hook gives none."""
        body = orjson.dumps(
            {
                "delivery_id": delivery.delivery_id,
                "alert_id": delivery.alert_id,
                "stage": delivery.stage.partition(":")[0],
                "level": delivery.level,
                "subject": delivery.subject,
                "message": delivery.body,
            }
        )
        headers = {
            "X-Lumbung-Delivery": delivery.delivery_id,
            "X-Lumbung-Signature": signature(recipient.secret, body),
        }
        await post(self._client, recipient.address, body, headers)
        return delivery.delivery_id
