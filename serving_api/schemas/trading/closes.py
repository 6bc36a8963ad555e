"""Schemas of forecasts of closes, and the outcome of earlier ones."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, QueryParameters, Share


class CloseForecastQuery(QueryParameters):
    """Parameters of a forecast."""

    horizon_days: int = Field(5, ge=1, le=30, description="calendar days ahead")


class CloseForecastDay(BaseModel):
    """The forecast of one day."""

    date: date
    price: float = Field(gt=0)
    lower: float = Field(gt=0, description="the interval from lower to upper covers 80 %")
    upper: float = Field(gt=0)


class CloseForecast(BaseModel):
    """Closes ahead of a symbol. `meta.model` names the model; naive: nothing beats the last close."""

    symbol: str
    currency: str
    horizon_days: int
    predictions: list[CloseForecastDay]
    direction: Literal["up", "down", "flat"] = Field(description="of the last day, against the last close")
    confidence: Share = Field(description="probability that the last close lies within 10 % of its forecast")
    sentiment_score: float | None = Field(ge=-1, le=1, description="of the newest day with posts")
    reason: str = Field(description="why this model serves")
    meta: Meta


class CloseHistoryRow(BaseModel):
    """An earlier forecast beside what happened."""

    made_at: datetime
    target_date: date
    predicted: float
    actual: float | None = Field(description="close of the day; null while it is not known, or closed")
    error_pct: float | None = Field(description="predicted against actual, percent")
    model_version: str
