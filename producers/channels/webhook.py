"""Web hooks: the alert as JSON, signed with HMAC-SHA256 (RFC 2104) over the exact body.

A receiver compares `X-Lumbung-Signature: sha256=…` in constant time, and recognises a repeat by
`X-Lumbung-Delivery`, which is the same for every attempt.
"""

import hmac

import httpx2
import orjson

from lakehouse.io.alert_deliveries import Delivery
from producers.channels.channel import Recipient, post


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
