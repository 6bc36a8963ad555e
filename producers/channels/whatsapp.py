"""WhatsApp Cloud API, text messages (developers.facebook.com/docs/whatsapp/cloud-api/messages).

The delivery's id goes along as `biz_opaque_callback_data`, by which status call-backs show a repeat.
"""

import httpx2
import orjson

from lakehouse.io.alert_deliveries import Delivery
from producers.channels.channel import PERSONAL, Recipient, answered, post

LONGEST_TEXT = 4096


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


class PersonalWhatsApp(WhatsApp):
    """Messages to people who want them on their telephone; its number is read from the store."""

    name = PERSONAL["whatsapp"]
