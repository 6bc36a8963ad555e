"""Messages of the WebSockets: those of clients as models, ours as text."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field, TypeAdapter

from lakehouse.times import rfc3339
from serving_api.schemas.envelope import STRICT, Name

ChannelName = Literal["prices", "alerts"]
SYSTEM = "system"


class FilterBody(BaseModel):
    """Which rows of a channel are sent."""

    model_config = STRICT
    commodity: Name | None = None
    region: Name | None = None


class Subscribe(BaseModel):
    """Send a channel. `batch`: prices come as `price_updates`, up to 200 rows in a message."""

    model_config = STRICT
    type: Literal["subscribe"]
    channel: ChannelName
    filter: FilterBody = FilterBody()
    batch: bool = False


class Unsubscribe(BaseModel):
    """Send a channel no longer."""

    model_config = STRICT
    type: Literal["unsubscribe"]
    channel: ChannelName


class Resume(BaseModel):
    """Go on after the message `last_seq` of the connection `session`, whose hello named it."""

    model_config = STRICT
    type: Literal["resume"]
    channel: ChannelName
    last_seq: int = Field(ge=0)
    session: str | None = Field(None, max_length=64)


ClientMessage = Annotated[Subscribe | Unsubscribe | Resume, Field(discriminator="type")]
CLIENT_MESSAGE: TypeAdapter[Subscribe | Unsubscribe | Resume] = TypeAdapter(ClientMessage)


def envelope(kind: str, channel: str, seq: int, data: bytes) -> str:
    """A message with encoded data."""
    now = rfc3339(datetime.now(UTC))
    return f'{{"type":"{kind}","seq":{seq},"ts":"{now}","channel":"{channel}","data":{data.decode()}}}'


def encoded(data: Any) -> bytes:
    """Data of a message as JSON."""
    return orjson.dumps(data)
