"""Schemas of the price check."""

from datetime import datetime

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, with_examples
from serving_api.schemas.quarantine import ViolatedRule


class PriceCheckBody(BaseModel):
    """A price as a market would report it."""

    market_id: str = Field(examples=["PASAR-001"])
    commodity: str = Field(examples=["cabai-rawit-merah"])
    price: float = Field(gt=0, description="rupiah per unit", examples=[55000])
    region: str | None = Field(None, examples=["Jawa Barat"])
    unit: str | None = Field(None, examples=["kg"])
    event_time: datetime | None = Field(None, description="default: now")
    event_id: str | None = None


class ValidatorFlags(BaseModel):
    """The result of each validator.

    A validator that abstains is false; `multi_source_ok` is true when there is no other source.
    """

    zscore: bool
    iqr: bool
    ai: bool
    multi_source_ok: bool


class SourcePrice(BaseModel):
    """The newest price of another source."""

    name: str = Field(examples=["partner_feed"])
    price_idr: float | None
    event_time: datetime | None


class PolicyVerdicts(BaseModel):
    """Whether each policy would quarantine the price."""

    seed: bool
    calibrated: bool


class PriceCheckReport(BaseModel):
    """The verdict on a price."""

    model_config = with_examples(
        {
            "flags": {"zscore": True, "iqr": True, "ai": False, "multi_source_ok": True},
            "quarantined": True,
            "sources": [{"name": "partner_feed", "price_idr": 54500, "event_time": "2026-11-20T03:00:00Z"}],
            "reasons": [
                {
                    "rule": "price_unit_error",
                    "severity": "error",
                    "message": "price 5,500 is about a tenth of the last one",
                }
            ],
            "policies": {"seed": True, "calibrated": True},
            "dry_run": True,
            "event_id": None,
        }
    )
    flags: ValidatorFlags
    quarantined: bool = Field(description="under the policy in force")
    sources: list[SourcePrice]
    reasons: list[ViolatedRule]
    policies: PolicyVerdicts
    dry_run: bool = Field(description="true when nothing was sent")
    event_id: str | None = Field(description="of the event that was sent")
    meta: Meta
