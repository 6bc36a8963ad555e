"""Shapes of what is told about quality: rule counts, rules, the balance, the trace of one event."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.shapes import Asked, Meta, Name, Reason, Time


class QualityAsked(Asked):
    kind: Name | None = Field(None, description="kind of event", examples=["price"])
    rule: Name | None = Field(None, description="name of a rule", examples=["price_positive"])
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None


class QualityRow(BaseModel):
    """How often a rule was evaluated and violated in a window, zeros included."""

    table: str = Field(examples=["silver.prices"])
    source: str | None = Field(description="door that the events came through", examples=["mqtt"])
    rule: str = Field(examples=["price_positive"])
    severity: Literal["error", "warn"]
    evaluated: int = Field(ge=0, description="events judged", examples=[200])
    violated: int = Field(ge=0, description="events that broke the rule", examples=[2])
    rule_set: str = Field(description="fingerprint of the rules that judged")
    window_start: datetime
    window_end: datetime


class RulesAsked(Asked):
    kind: Name | None = Field(None, description="kind of event", examples=["price"])


class RuleRow(BaseModel):
    """A rule as its contract declares it; a row violates it iff NOT coalesce(expression, false)."""

    kind: str = Field(examples=["price"])
    rule: str = Field(examples=["price_positive"])
    severity: Literal["error", "warn"]
    expression: str = Field(examples=["p.price is null or p.price > 0"])
    message: str = Field(examples=["price {p.price} is not above zero"])
    fingerprint: str = Field(description="changes with any of the fields above")


class Counts(BaseModel):
    """Events; `difference` is what no other count accounts for."""

    rows_in: int = Field(ge=0, examples=[1000])
    silver: int = Field(ge=0, examples=[985])
    quarantine: int = Field(ge=0, examples=[10])
    duplicates: int = Field(ge=0, examples=[5])
    difference: int = Field(description="rows_in - silver - quarantine - duplicates", examples=[0])


class ReconcileAnswer(Counts):
    """The balance of everything taken from Kafka."""

    balanced: bool = Field(description="no kind has a difference")
    per_kind: dict[str, Counts]
    meta: Meta


class EventTrace(BaseModel):
    """What became of an event."""

    event_id: str = Field(examples=["PASAR-001-17"])
    status: Literal["pending", "silver", "quarantine", "duplicate"] = Field(
        description="of its newest arrival. pending: Kafka has it, the tables do not yet show it; duplicate: it came before with "
        "the same payload, and `table` and `warnings` are those of the first. An event of two kinds: quarantine before silver"
    )
    kinds: list[str] = Field(examples=[["price"]])
    table: str | None = Field(description="where it stands", examples=["silver.prices"])
    received_at: datetime | None
    warnings: list[str] = Field(description="rules that it broke without being kept out", examples=[["event_time_missing"]])
    meta: Meta


class PriceCheckBody(BaseModel):
    """A price as a market would report it."""

    market_id: str = Field(examples=["PASAR-001"])
    commodity: str = Field(examples=["cabai-rawit-merah"])
    price: float = Field(gt=0, description="rupiah per unit", examples=[55000])
    region: str | None = Field(None, examples=["Jawa Barat"])
    unit: str | None = Field(None, examples=["kg"])
    event_time: datetime | None = Field(None, description="absent: now")
    event_id: str | None = None


class Flags(BaseModel):
    """What each validator says; one that abstains says false, and `multi_source_ok` without another source is true."""

    zscore: bool
    iqr: bool
    ai: bool
    multi_source_ok: bool


class Source(BaseModel):
    """The newest price of another source."""

    name: str = Field(examples=["partner_feed"])
    price_idr: float | None
    event_time: datetime | None


class Policies(BaseModel):
    """Whether each policy would quarantine the price."""

    seed: bool
    calibrated: bool


class PriceChecked(BaseModel):
    """The verdict on a price."""

    flags: Flags
    quarantined: bool = Field(description="under the policy in force")
    sources: list[Source]
    reasons: list[Reason]
    policies: Policies
    dry_run: bool = Field(description="nothing was sent")
    event_id: str | None = Field(description="of the event that was sent")
    meta: Meta
