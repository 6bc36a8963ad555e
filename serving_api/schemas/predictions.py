"""Schemas of predictions with options, one or many."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, RequestBody, Share
from serving_api.schemas.forecasts import (
    ForecastDay,
    OptionalRegion,
    Provider,
)

PredictionModel = Literal["champion", "prophet", "lstm", "ensemble"]


class PredictionBody(RequestBody):
    """Options of one prediction. `market_id` selects the province of the market."""

    region: OptionalRegion = None
    market_id: Name | None = Field(None, examples=["PASAR-001"])
    horizon_days: int = Field(7, ge=1, le=30)
    model: PredictionModel = "champion"
    interval_level: float = Field(0.8, ge=0.5, le=0.99)


class BatchMember(RequestBody):
    """One prediction of a batch."""

    commodity: Name
    region: OptionalRegion = None
    horizon_days: int = Field(7, ge=1, le=30)
    model: PredictionModel = "champion"


class BatchBody(RequestBody):
    """Members are checked one by one: an invalid member does not fail the others."""

    requests: list[Any] = Field(
        min_length=1, max_length=100, description="each {commodity, region?, horizon_days?, model?}"
    )


class PredictedDay(ForecastDay):
    confidence: Share


class PredictedPrices(BaseModel):
    """A prediction read from the materialised forecasts."""

    commodity: str
    region: str
    provider: Provider
    unit: str
    origin_date: date = Field(description="last day whose prices were known")
    issued_at: datetime = Field(description="when the forecast was made")
    horizon_days: int = Field(ge=1, le=30)
    predictions: list[PredictedDay]
    confidence: Share = Field(
        description="the smallest confidence of the days: that a price is within 10 % of its forecast"
    )
    cached: bool = Field(description="the same request was answered before from this version of the table")


class Prediction(PredictedPrices):
    """A prediction with its provenance."""

    meta: Meta


class MemberProblem(BaseModel):
    type: str = Field(examples=["/problems/unknown-commodity"])
    title: str
    status: int
    detail: str


class MemberResult(BaseModel):
    index: int = Field(ge=0)
    ok: bool
    prediction: PredictedPrices | None
    problem: MemberProblem | None


class BatchPrediction(BaseModel):
    """One result per member, in the order of the request."""

    results: list[MemberResult]
    succeeded: int = Field(ge=0)
    failed: int = Field(ge=0)
    meta: Meta
