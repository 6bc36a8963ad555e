"""What every channel offers: send one message to one recipient, or report why not."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import orjson

from lakehouse.io.alert_deliveries import Delivery

LONGEST_ANSWER_BYTES = 65_536
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


async def post(client: httpx2.AsyncClient, url: str, content: bytes, headers: dict[str, str]) -> bytes:
    """The first 64 KiB of the answer to a POST of JSON, if it is a success; no compression is undone.

    Raises TemporaryFailure for no answer, 429 and 5xx, PermanentFailure for any other. Neither names the URL,
    which may hold a token.
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
        raise TemporaryFailure(type(error).__name__) from None
    except httpx2.InvalidURL:
        raise PermanentFailure("the address is not usable") from None
    if response.is_success:
        return bytes(answer[:LONGEST_ANSWER_BYTES])
    reason = f"status {response.status_code}"
    if response.status_code == TOO_MANY or response.status_code >= FIRST_SERVER_ERROR:
        raise TemporaryFailure(reason, _seconds(response.headers.get("retry-after", "")))
    raise PermanentFailure(reason, gone=response.status_code == httpx2.codes.GONE)


def answered(content: bytes, *path: str | int) -> Any:  # noqa: ANN401
    """The value at a path of an answer in JSON. Raises TemporaryFailure where there is none.

    A proxy or a page for signing in may have answered in place of the service.
    """
    try:
        value = orjson.loads(content)
        for step in path:
            value = value[step]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise TemporaryFailure("an answer that the service does not give") from None
    return value


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
