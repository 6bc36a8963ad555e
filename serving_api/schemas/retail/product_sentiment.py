"""Schemas of what posts say about products."""

from datetime import date

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import with_examples
from serving_api.schemas.retail.analytics import Count


class ProductSentiment(BaseModel):
    """Polarity of all posts that name a product."""

    model_config = with_examples(
        {
            "product_name": "Galaxy S24",
            "category": "ELECTRONICS",
            "posts": 12,
            "positive": 7,
            "neutral": 3,
            "negative": 2,
            "score": 0.357,
            "newest": "2026-11-21",
        }
    )
    product_name: str
    category: str
    posts: int = Field(ge=1, description="the same text within a week counts once")
    positive: Count
    neutral: Count
    negative: Count
    score: float = Field(ge=-1, le=1, description="(positive - negative) / (positive + negative + 5)")
    newest: date = Field(description="day of the newest post in Jakarta")
