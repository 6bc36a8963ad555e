"""Schemas of the sentiment of posts."""

from datetime import date
from typing import Self

from pydantic import BaseModel, Field, model_validator

from serving_api.http.messages import message
from serving_api.schemas.envelope import Name, TimeRangeQuery, with_examples


class SentimentQuery(TimeRangeQuery):
    """Parameters of the list of daily sentiment: either a commodity or a symbol."""

    commodity: Name | None = Field(
        None, description="id or alias; a group returns its members too", examples=["cabai"]
    )
    symbol: Name | None = Field(None, description="a stock or coin that posts name or that has bars")

    @model_validator(mode="after")
    def _names_a_subject(self) -> Self:
        if (self.commodity is None) == (self.symbol is None):
            raise ValueError(message("commodity_or_symbol"))
        return self


class DailySentiment(BaseModel):
    """Polarity and price pressure of a day's posts about one subject."""

    model_config = with_examples(
        {
            "subject": "cabai-rawit-merah",
            "date": "2026-11-21",
            "posts": 7,
            "positive": 1,
            "neutral": 2,
            "negative": 4,
            "score": -0.3,
            "pressure": 0.4,
        }
    )
    subject: str = Field(description="commodity id, or symbol")
    date: date
    posts: int = Field(ge=1, description="the same text within a week counts once")
    positive: int = Field(ge=0)
    neutral: int = Field(ge=0)
    negative: int = Field(ge=0)
    score: float = Field(ge=-1, le=1, description="(positive - negative) / (positive + negative + 5)")
    pressure: float | None = Field(
        ge=-1,
        le=1,
        description="above zero: posts state rising prices or scarcity; null when none states a pressure",
    )
