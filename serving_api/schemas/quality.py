"""Schemas of data quality: counts per rule, the rules, and the balance of all events."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, PageQuery, QueryParameters


class RulesQuery(PageQuery):
    """Parameters of the list of rules."""

    kind: Name | None = Field(None, description="kind of event", examples=["price"])


class RuleRow(BaseModel):
    """A rule as its contract declares it. A row violates it iff NOT coalesce(expression, false)."""

    kind: str = Field(examples=["price"])
    rule: str = Field(examples=["price_positive"])
    severity: Literal["error", "warn"]
    expression: str = Field(examples=["p.price is null or p.price > 0"])
    message: str = Field(examples=["price {p.price} is not above zero"])
    fingerprint: str = Field(description="changes when any of the other fields changes")


class SummaryQuery(QueryParameters):
    """Parameters of the summary by rule. Unknown parameters are refused."""

    kind: Name = Field("price", description="kind of event", examples=["price"])
    commodity: Name | None = Field(
        None, description="only prices of this commodity, or of the members of this group", examples=["cabai"]
    )


class RuleCount(BaseModel):
    """How often a rule was violated."""

    rule: str = Field(examples=["price_positive"])
    severity: Literal["error", "warn"] = Field(description="error: quarantined; warn: a warning")
    sentence: str = Field(
        description="what a violation is, in the language of the request; values are left out",
        examples=["price … is not above zero"],
    )
    violated: int = Field(ge=0, description="events that violated it", examples=[2])


class RuleSummary(BaseModel):
    """Violations by rule in 30 days."""

    kind: str = Field(examples=["price"])
    commodity: str | None = Field(description="id; null: all events of the kind")
    from_: datetime | None = Field(alias="from", description="first time of receipt; null: nothing came")
    to: datetime | None = Field(description="last one: the newest event, or the end of the newest hour")
    events: int = Field(ge=0, description="events that rules were evaluated on", examples=[1000])
    quarantined: int | None = Field(
        description="of them, also those released later; null without a commodity: see the balance"
    )
    items: list[RuleCount] = Field(description="every rule in force, most violations first")
    meta: Meta


class EventCounts(BaseModel):
    """Numbers of events."""

    rows_in: int = Field(ge=0, examples=[1000])
    silver: int = Field(ge=0, examples=[985])
    quarantine: int = Field(ge=0, examples=[10])
    duplicates: int = Field(ge=0, examples=[5])
    difference: int = Field(description="rows_in - silver - quarantine - duplicates", examples=[0])


class BalanceReport(EventCounts):
    """The balance of all events read from Kafka."""

    balanced: bool = Field(description="true when every kind has difference 0")
    per_kind: dict[str, EventCounts]
    meta: Meta
