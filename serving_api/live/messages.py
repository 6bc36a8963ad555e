"""Messages of the WebSockets: those of clients as models, ours as text."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from lakehouse.times import rfc3339
from serving_api.schemas.envelope import Name, RequestBody

ChannelName = Literal[
    "prices",
    "alerts",
    "operator_alerts",
    "quarantine",
    "account",
    "dashboard",
    "market_prices",
    "tables",
    "signals",
    "house_trades",
    "trades",
    "notifications",
]
SYSTEM = "system"


class FilterBody(RequestBody):
    """Which rows of a channel are sent."""

    commodity: Name | None = None
    region: Name | None = None


class Subscribe(RequestBody):
    """Send a channel. `batch`: prices come as `price_updates`, up to 200 rows in a message."""

    type: Literal["subscribe"]
    channel: ChannelName
    filter: FilterBody = FilterBody()
    batch: bool = False


class Unsubscribe(RequestBody):
    """Send a channel no longer."""

    type: Literal["unsubscribe"]
    channel: ChannelName


class Resume(RequestBody):
    """Go on after the message `last_seq` of the connection `session`, whose hello named it."""

    type: Literal["resume"]
    channel: ChannelName
    last_seq: int = Field(ge=0)
    session: str | None = Field(None, max_length=64)


class Authenticate(RequestBody):
    """Who the client is, by a ticket of POST /api/v1/ws/ticket: opens the private channels of that person."""

    type: Literal["auth"]
    ticket: str = Field(min_length=1, max_length=200)


ClientMessage = Subscribe | Unsubscribe | Resume | Authenticate
CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


def envelope(kind: str, channel: str, seq: int, data: bytes) -> str:
    """A message with encoded data."""
    now = rfc3339(datetime.now(UTC))
    return f'{{"type":"{kind}","seq":{seq},"ts":"{now}","channel":"{channel}","data":{data.decode()}}}'
