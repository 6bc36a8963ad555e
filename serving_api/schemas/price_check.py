"""Schemas of the price check."""

from datetime import datetime

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta
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

    flags: ValidatorFlags
    quarantined: bool = Field(description="under the policy in force")
    sources: list[SourcePrice]
    reasons: list[ViolatedRule]
    policies: PolicyVerdicts
    dry_run: bool = Field(description="true when nothing was sent")
    event_id: str | None = Field(description="of the event that was sent")
    meta: Meta
