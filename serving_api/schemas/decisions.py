"""Schemas of decisions on quarantined events."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from serving_api.http.messages import message
from serving_api.schemas.envelope import RequestBody
from serving_api.schemas.ingest import Receipt

DecisionReason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=5, max_length=500),
    Field(description="why the decision was made"),
]
DecidedEventId = Annotated[str, StringConstraints(min_length=1, max_length=600)]
Decision = Literal["release", "correct", "reject"]
Outcome = Literal["pending", "silver", "quarantine", "closed"]


class DecisionBody(RequestBody):
    """One decision.

    `correction` belongs to `correct` only: payload fields that replace those of the event.
    """

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


class BulkDecisionBody(RequestBody):
    """The same decision on many events."""

    event_ids: list[DecidedEventId] = Field(min_length=1, max_length=500)
    decision: Literal["release", "reject"]
    reason: DecisionReason


class DecisionReceipt(Receipt):
    """Kafka has stored the decision. `event_id` is the id of the decision, equal to `decision_id`."""

    decision_id: str
    decision: Decision


class BulkDecisionItem(BaseModel):
    event_id: str
    status: Literal["accepted", "not-found", "already-decided", "not-releasable"]
    decision_id: str | None
    reason: str | None = Field(None, description="why a release cannot pass, with `not-releasable`")


class BulkDecisionReceipt(BaseModel):
    """The status of each event, in the order of the request."""

    items: list[BulkDecisionItem]


class DecisionRow(BaseModel):
    """A decision and the outcome of the row that it decided."""

    decision_id: str
    decision: Decision
    reason: str
    decided_by: str
    decided_at: datetime
    outcome: Outcome = Field(description="`pending` until the stream has processed the decision")
