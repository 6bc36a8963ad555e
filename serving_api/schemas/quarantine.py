"""Schemas of quarantined events."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from lakehouse.contracts.contract import kinds
from serving_api.schemas.decisions import DecisionRow
from serving_api.schemas.envelope import Meta, RequestBody

if TYPE_CHECKING:
    EventKind = str
else:
    EventKind = Literal[tuple(kinds())]
UtcDay = date  # a field of the name `date` hides the type
Stage = Literal["stream", "door"]
ReviewState = Literal["open", "released", "corrected", "rejected"]


class ViolatedRule(BaseModel):
    """A rule that an event violates."""

    rule: str
    severity: Literal["error", "warn"]
    message: str


class QuarantineReason(ViolatedRule):
    """Why an event is in quarantine."""

    values: dict[str, float] = Field(description="the figures in the message and the limits of the rule")


class QuarantineSubject(BaseModel):
    """What a quarantined event is about, by the names of the reference lists."""

    commodity: str | None = Field(description="id; null: not in the reference list")
    commodity_name: str | None
    market_name: str | None = Field(description="its id when the market is not known")
    region: str | None
    market_date: str | None = Field(description="local day of the market, YYYY-MM-DD")
    value: float | None = Field(description="price, quantity or closing value, by the kind")
    last_value: float | None = Field(description="last accepted value, where a validator compared with it")
    unit: str | None


class QuarantineRow(BaseModel):
    """A quarantined event and the rules that it violates."""

    event_id: str
    kind: str
    source: str
    market_id: str | None
    commodity: str | None
    subject: QuarantineSubject | None = Field(description="null: the payload is no JSON object")
    reasons: list[QuarantineReason] = Field(min_length=1)
    stage: Stage
    state: ReviewState
    generation: int
    rule_set: str
    received_at: datetime
    quarantined_at: datetime


class QuarantineItem(QuarantineRow):
    """A quarantined event with its exact bytes, the evidence of the validators and its decisions."""

    payload: str | None = Field(description="exact bytes, if they are UTF-8")
    payload_base64: str | None = Field(description="exact bytes, if they are not UTF-8")
    kafka: dict[str, Any] | None
    evidence: dict[str, Any] | None = Field(
        description="the value, the statistics of its window, its neighbours, and the limits by statistic"
    )
    suggestion: dict[str, Any] | None = Field(description="payload fields that would probably be correct")
    decisions: list[DecisionRow] = Field(description="newest first, at most 100")
    meta: Meta


class OpenByRule(BaseModel):
    """Open rows that violate a rule."""

    rule: str
    sentence: str = Field(description="what a violation is, in the language of the request")
    open: int = Field(ge=1)
    oldest: datetime = Field(description="when the oldest of them was quarantined")


class OpenByMarket(BaseModel):
    """Open rows of a market."""

    market_id: str
    market_name: str | None
    open: int = Field(ge=1)


class QuarantineDay(BaseModel):
    """A UTC day of the quarantine."""

    date: UtcDay
    arrived: int = Field(ge=0)
    decided: int = Field(ge=0)


class QuarantineSummary(BaseModel):
    """The quarantine in numbers."""

    open: int = Field(ge=0)
    by_rule: list[OpenByRule] = Field(
        description="most frequent first; a row counts for each rule of severity error"
    )
    by_market: list[OpenByMarket] = Field(description="the 20 with the most open rows")
    by_day: list[QuarantineDay] = Field(description="the 30 newest days, newest first")
    median_hours: float | None = Field(description="from quarantine to decision; null: nothing decided yet")
    meta: Meta


class HoldBody(RequestBody):
    """A hold has no fields."""


class HoldReceipt(BaseModel):
    """Who is looking at the event, and until when."""

    held_by: str
    until: datetime
