"""The services that messages go by: web hooks, Telegram, WhatsApp, e-mail.

A web hook gets the alert as JSON, signed with HMAC-SHA256 (RFC 2104) over the exact body. A receiver
compares `X-Lumbung-Signature: sha256=…` in constant time, and recognises a repeat by `X-Lumbung-Delivery`,
which is the same for every attempt.

WhatsApp's Cloud API (developers.facebook.com/docs/whatsapp/cloud-api/messages) gets the delivery's id as
`biz_opaque_callback_data`, by which status call-backs show a repeat.

Telegram's method sendMessage (core.telegram.org/bots/api#sendmessage) cannot recognise a repeated message:
after a kill in the midst of sending it may be sent twice.
"""

import hmac

import httpx2
import orjson

from lakehouse.io.alert_deliveries import Delivery
from lakehouse.io.smtp import MailNotSent, MailServer
from producers.channels.channel import PermanentFailure, Recipient, TemporaryFailure, answered, post

LONGEST_TEXT = 4096  # of Telegram and WhatsApp


class Mail:
    """Messages from one address, by the server of an URL smtps://user:password@host:465 or smtp://…"""

    name = "email"

    def __init__(self, url: str, sender: str, addresses: list[str], timeout_seconds: float) -> None:
        self._server = MailServer(url, sender, timeout_seconds)
        self.recipients = [Recipient(address) for address in addresses]

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """The Message-ID, which follows from the delivery."""
        try:
            return await self._server.send(
                recipient.address, delivery.subject, delivery.body, delivery.delivery_id
            )
        except MailNotSent as failure:
            kind = PermanentFailure if failure.is_permanent else TemporaryFailure
            raise kind(str(failure)) from None


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
            raise PermanentFailure("the bot service refused it")
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
