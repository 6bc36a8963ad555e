"""Schemas of alerts: the list, and what people do about them."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from serving_api.schemas.envelope import Name, RequestBody
from serving_api.schemas.ingest import Receipt

RaisedLevel = Literal["naik", "waspada", "siaga", "kritis"]
Sending = Literal["queued", "sent", "mock", "off"]
MarketId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
MessageText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class TriggerBody(RequestBody):
    """An alert that a person raises; it is active at once."""

    commodity: Name
    level: RaisedLevel
    message: MessageText
    market_id: MarketId | None = None
    region: Name | None = Field(
        None, description="province name or two-digit code; default: that of the market, else the country"
    )
    risk_score: float | None = Field(None, ge=0, le=100)


class SendingStates(BaseModel):
    """How each channel handles the alert: `mock`: no token, so it is only logged."""

    telegram: Sending
    whatsapp: Sending
    email: Sending
    webhook: Sending
    websocket: Literal["sent"]


class AcknowledgeBody(RequestBody):
    """An acknowledgement, with a remark if any."""

    note: str | None = Field(None, max_length=500)


class AcknowledgeReceipt(Receipt):
    """Kafka has stored the acknowledgement."""

    alert_id: str


class TriggerReceipt(AcknowledgeReceipt):
    """Kafka has stored the alert. A repeat for the same commodity and place has the id of the open one."""

    channels: SendingStates
