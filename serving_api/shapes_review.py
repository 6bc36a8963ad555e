"""Shapes of the review loop: what is asked of quarantined rows, what a person decides, and what is answered."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from serving_api.shapes import Asked, Meta, QuarantineRow, Receipt

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=500), Field(description="why")]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=600)]
Decision = Literal["release", "correct", "reject"]
Outcome = Literal["pending", "silver", "quarantine", "closed"]


class DecisionBody(BaseModel):
    """One decision. `correction` goes with `correct` only: fields of the payload that replace those sent."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {"decision": "release", "reason": "the market confirmed the price by telephone"},
                {"decision": "correct", "reason": "typed without its last zero", "correction": {"price": 55000}},
            ]
        }
    )
    decision: Decision
    reason: Reason
    correction: dict[str, Any] | None = Field(None, min_length=1, description="field of the payload -> its right value")

    @model_validator(mode="after")
    def only_and_always_with_correct(self) -> Self:
        """A correction belongs to `correct`, and `correct` needs one."""
        if (self.decision == "correct") != (self.correction is not None):
            raise ValueError("a correction is given with the decision 'correct', and only with it")
        return self


class DecisionsBody(BaseModel):
    """The same decision on many rows."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "examples": [{"event_ids": ["PASAR-001-17", "PASAR-001-18"], "decision": "reject", "reason": "a test of the device"}]
        }
    )
    event_ids: list[EventId] = Field(min_length=1, max_length=500)
    decision: Literal["release", "reject"]
    reason: Reason


class DecisionReceipt(Receipt):
    """Kafka holds the decision; `event_id` is its own, equal to `decision_id`."""

    decision_id: str
    decision: Decision


class BulkItem(BaseModel):
    event_id: str
    status: Literal["accepted", "not-found", "already-decided"]
    decision_id: str | None


class BulkReceipt(BaseModel):
    """What became of each, in the order asked."""

    items: list[BulkItem]


class DecisionsAsked(Asked):
    """Decisions on one event."""


class DecisionRow(BaseModel):
    """A decision and what became of the row it decided."""

    decision_id: str
    decision: Decision
    reason: str
    decided_by: str
    decided_at: datetime
    outcome: Outcome = Field(description="pending until the stream has taken the decision up")


class QuarantineItem(QuarantineRow):
    """A quarantined row with its exact bytes, what the validators saw, and the decisions on its event."""

    payload: str | None = Field(description="exact bytes, if UTF-8")
    payload_base64: str | None = Field(description="exact bytes, if not UTF-8")
    kafka: dict[str, Any] | None
    evidence: dict[str, Any] | None = Field(description="the value, its window's statistics, its neighbours")
    suggestion: dict[str, Any] | None = Field(description="payload fields that would probably be right")
    decisions: list[DecisionRow] = Field(description="newest first, at most 100")
    meta: Meta
