"""Schemas of receipts for events that were sent over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta


class EventTrace(BaseModel):
    """The status of an event."""

    event_id: str = Field(examples=["PASAR-001-17"])
    status: Literal["pending", "silver", "quarantine", "duplicate"] = Field(
        description="of the newest arrival. `pending`: in Kafka, not yet in the tables. `duplicate`: it "
        "arrived before with the same payload; `table` and `warnings` are those of the first arrival. "
        "For an event of two kinds, `quarantine` takes precedence over `silver`"
    )
    kinds: list[str] = Field(examples=[["price"]])
    table: str | None = Field(description="table that holds the event", examples=["silver.prices"])
    received_at: datetime | None
    warnings: list[str] = Field(
        description="rules with severity `warn` that it violates", examples=[["event_time_missing"]]
    )
    meta: Meta


class Receipt(BaseModel):
    """Kafka has stored the event."""

    event_id: str
    kinds: list[str]
    status: Literal["accepted"]
    received_at: datetime


class BatchItem(BaseModel):
    index: int
    event_id: str | None
    status: Literal["accepted", "rejected"]
    errors: list[dict[str, str]]


class BatchReceipt(BaseModel):
    """The status of each event of a batch."""

    accepted: int
    rejected: int
    items: list[BatchItem]
