"""What every channel offers: send one message to one recipient, or report why not."""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import httpx2

from lakehouse.io.alert_deliveries import Delivery

TOO_MANY = 429
FIRST_SERVER_ERROR = 500
# Way to a person -> the channel whose messages go to one person each.
PERSONAL = {"email": "personal", "telegram": "personal-telegram", "whatsapp": "personal-whatsapp"}


class TemporaryFailure(Exception):
    """It may succeed later. `retry_after`: seconds that the channel asks for, if it does."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class PermanentFailure(Exception):
    """The channel refuses this message, now and later. `gone`: it refuses the recipient too."""

    def __init__(self, reason: str, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


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
        """The channel's id of the message. Raises TemporaryFailure or PermanentFailure."""


async def post(
    client: httpx2.AsyncClient, url: str, content: bytes, headers: dict[str, str]
) -> httpx2.Response:
    """The response to a POST of JSON, if it is a success.

    Raises TemporaryFailure for no answer, 429 and 5xx, PermanentFailure for any other. Neither names the URL,
    which may hold a token.
    """
    try:
        response = await client.post(
            url, content=content, headers={"Content-Type": "application/json", **headers}
        )
    except httpx2.TransportError as error:
        raise TemporaryFailure(type(error).__name__) from None
    except httpx2.InvalidURL:
        raise PermanentFailure("the address is not usable") from None
    if response.is_success:
        return response
    reason = f"status {response.status_code}"
    if response.status_code == TOO_MANY or response.status_code >= FIRST_SERVER_ERROR:
        raise TemporaryFailure(reason, _seconds(response.headers.get("retry-after", "")))
    raise PermanentFailure(reason, gone=response.status_code == httpx2.codes.GONE)


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() else None
