"""Schemas of data quality: counts per rule, the rules, and the balance of all events."""

from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, PageQuery


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
