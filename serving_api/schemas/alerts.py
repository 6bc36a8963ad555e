"""Schemas of alerts: the list, and what people do about them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from serving_api.schemas.envelope import STRICT, Name, PageQuery
from serving_api.schemas.ingest import Receipt

RaisedLevel = Literal["naik", "waspada", "siaga", "kritis"]
Level = Literal["info", "naik", "waspada", "siaga", "kritis"]
AlertState = Literal["pending", "active", "acknowledged", "cleared", "self_corrected"]
Sending = Literal["queued", "sent", "mock", "off"]
MarketId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
MessageText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class AlertsQuery(PageQuery):
    """Parameters of the list of alerts."""

    commodity: Name | None = Field(
        None, description="id or alias; a group returns its members too", examples=["cabai"]
    )
    region: Name | None = Field(None, description="province name or two-digit code")
    level: Level | None = Field(None, description="only alerts of this level")
    state: AlertState | None = Field(
        None, description="only alerts in this state; default: pending, active and acknowledged ones"
    )


class AlertItem(BaseModel):
    """An alert. At most one is open for a place, a commodity and a rule."""

    alert_id: str
    rule: str = Field(
        description="price_level, ceiling_gap, risk, market_jump, held_price, stock_cover, "
        "stock_unexplained, silent_market, silent_device, silent_collector, "
        "silent_all or manual"
    )
    commodity: str | None
    market_id: str | None
    region: str | None = Field(description="null: the whole country, or not known")
    level: Level = Field(description="the highest that it has reached; info: a silent source")
    risk_score: float | None = Field(
        ge=0,
        le=100,
        description="probability in percent that the price rises by 10 % or more within 7 days, as issued "
        "for the newest day; null while no model passes the gate; of a person's alert: as given",
    )
    risk_reason: Literal["not_issued", "no_daily_price", "not_given"] | None = Field(
        description="why there is no risk_score: none was issued for that day, the rule is not about daily "
        "prices of a province, or the person gave none"
    )
    tier: int = Field(
        ge=0, le=3, description="0 before it is active, 1 on its days 1 to 3, 2 to day 7, then 3"
    )
    message: str
    action: str | None = Field(description="suggested action; null when a person raised it")
    state: AlertState
    stale: bool = Field(description="open, and its series has had no day for 7 days")
    value: float | None = Field(description="what the rule measured on the newest day, percent")
    price_idr: float | None = Field(description="price of the newest day; null for a silent source")
    market_date: date | None = Field(description="its first market day; null where a rule follows none")
    opened_at: datetime = Field(description="when it was raised")
    active_at: datetime | None = Field(description="null before it was active")
    respond_by: datetime | None = Field(
        description="until when somebody is to act: 24 hours after it became active for prices and risks, "
        "72 for a stock that lasts too short; null before, and for other rules"
    )
    acknowledged_at: datetime | None
    closed_at: datetime | None = Field(description="null while it is open")
    outcome_pct: float | None = Field(description="change of the price 3 to 7 days after it became active")
    updated_at: datetime


class TriggerBody(BaseModel):
    """An alert that a person raises; it is active at once."""

    model_config = STRICT
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


class TriggerReceipt(Receipt):
    """Kafka has stored the alert. A repeat for the same commodity and place has the id of the open one."""

    alert_id: str
    channels: SendingStates


class AcknowledgeBody(BaseModel):
    """An acknowledgement, with a remark if any."""

    model_config = STRICT
    note: str | None = Field(None, max_length=500)


class AcknowledgeReceipt(Receipt):
    """Kafka has stored the acknowledgement."""

    alert_id: str
