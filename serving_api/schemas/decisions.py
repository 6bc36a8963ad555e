"""Schemas of decisions on quarantined events."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from serving_api.http.messages import message
from serving_api.schemas.envelope import STRICT, PageQuery, with_examples
from serving_api.schemas.ingest import Receipt

DecisionReason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=5, max_length=500),
    Field(description="why the decision was made"),
]
DecidedEventId = Annotated[str, StringConstraints(min_length=1, max_length=600)]
Decision = Literal["release", "correct", "reject"]
Outcome = Literal["pending", "silver", "quarantine", "closed"]


class DecisionBody(BaseModel):
    """One decision.

    `correction` belongs to `correct` only: payload fields that replace those of the event.
    """

    model_config = STRICT | with_examples(
        {"decision": "release", "reason": "the market confirmed the price by telephone"},
        {"decision": "correct", "reason": "typed without its last zero", "correction": {"price": 55000}},
    )
    decision: Decision
    reason: DecisionReason
    correction: dict[str, Any] | None = Field(
        None, min_length=1, description="payload field -> its correct value"
    )

    @model_validator(mode="after")
    def correction_only_with_correct(self) -> Self:
        """A correction is required by `correct` and refused with any other decision."""
        if (self.decision == "correct") != (self.correction is not None):
            raise ValueError(message("correction_fits"))
        return self


class BulkDecisionBody(BaseModel):
    """The same decision on many events."""

    model_config = STRICT | with_examples(
        {
            "event_ids": ["PASAR-001-17", "PASAR-001-18"],
            "decision": "reject",
            "reason": "a test of the device",
        }
    )
    event_ids: list[DecidedEventId] = Field(min_length=1, max_length=500)
    decision: Literal["release", "reject"]
    reason: DecisionReason


class DecisionReceipt(Receipt):
    """Kafka has stored the decision. `event_id` is the id of the decision, equal to `decision_id`."""

    model_config = with_examples(
        {
            "event_id": "d-0b1c2d",
            "kinds": ["decision"],
            "status": "accepted",
            "received_at": "2026-11-21T02:00:00Z",
            "decision_id": "d-0b1c2d",
            "decision": "correct",
        }
    )
    decision_id: str
    decision: Decision


class BulkDecisionItem(BaseModel):
    event_id: str
    status: Literal["accepted", "not-found", "already-decided", "not-releasable"]
    decision_id: str | None
    reason: str | None = Field(None, description="why a release cannot pass, with `not-releasable`")


class BulkDecisionReceipt(BaseModel):
    """The status of each event, in the order of the request."""

    model_config = with_examples(
        {
            "items": [
                {"event_id": "PASAR-001-17", "status": "accepted", "decision_id": "d-0b1c2d", "reason": None},
                {"event_id": "PASAR-001-18", "status": "not-found", "decision_id": None, "reason": None},
            ]
        }
    )
    items: list[BulkDecisionItem]


class DecisionsQuery(PageQuery):
    """Parameters of the list of decisions on one event."""


class DecisionRow(BaseModel):
    """A decision and the outcome of the row that it decided."""

    model_config = with_examples(
        {
            "decision_id": "d-0b1c2d",
            "decision": "correct",
            "reason": "typed without its last zero",
            "decided_by": "operator",
            "decided_at": "2026-11-21T02:00:00Z",
            "outcome": "silver",
        }
    )
    decision_id: str
    decision: Decision
    reason: str
    decided_by: str
    decided_at: datetime
    outcome: Outcome = Field(description="`pending` until the stream has processed the decision")
