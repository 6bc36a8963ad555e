"""Schemas of receipts for events that were sent over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from serving_api.schemas.envelope import with_examples


class Receipt(BaseModel):
    """Kafka has stored the event."""

    model_config = with_examples(
        {
            "event_id": "PASAR-001-17",
            "kinds": ["price"],
            "status": "accepted",
            "received_at": "2026-11-21T01:00:00.125Z",
        }
    )
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
