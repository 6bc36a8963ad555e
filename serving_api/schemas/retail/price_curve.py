"""Schemas of the price curve of a product, and of what is known about the sales model."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import STRICT, Meta, Name, Share, with_examples
from serving_api.schemas.retail.analytics import Amount, ShopParameter
from serving_api.schemas.sales import Target, Units


class PriceCurveBody(BaseModel):
    """A product, and the list prices from which one is sought.

    Prices and rating must be within the settings `retail.*`.
    """

    model_config = STRICT | with_examples(
        {
            "category": "Electronics",
            "discount_percentage": 10,
            "rating": 4,
            "num_reviews": 50,
            "price_min": 100,
            "price_max": 300,
            "steps": 5,
        }
    )
    category: Name = Field(
        description="in upper or lower case; from the reference list, or known to the model"
    )
    discount_percentage: float = Field(ge=0, le=100)
    rating: float = Field(description="points")
    num_reviews: int = Field(ge=0, le=10**12)
    price_min: float = Field(description="currency of the shop")
    price_max: float = Field(description="above price_min")
    steps: int = Field(20, ge=2, le=50, description="points of the curve")
    shop: ShopParameter = None


class CurvePoint(BaseModel):
    """Units and net revenue at a list price, with 90 % bootstrap intervals."""

    price: Amount
    predicted_sales: Units
    sales_low: Units
    sales_high: Units
    revenue: Amount = Field(description="price * (1 - discount) * predicted_sales")
    revenue_low: Amount
    revenue_high: Amount


class PriceCurve(BaseModel):
    """Demand as a function of the price, and the price of the most revenue among those that were observed."""

    model_config = with_examples(
        {
            "points": [
                {
                    "price": 100.0,
                    "predicted_sales": 34.4,
                    "sales_low": 32.0,
                    "sales_high": 36.9,
                    "revenue": 3096.0,
                    "revenue_low": 2880.0,
                    "revenue_high": 3321.0,
                }
            ],
            "best_price": 198.4,
            "best_price_low": 190.2,
            "best_price_high": 207.7,
            "observed_low": 72.3,
            "observed_high": 359.9,
            "signal": True,
            "verdict": "prices explain sales: the curve beats the median on products not seen",
            "target": "units_a_day",
            "category": "ELECTRONICS",
        }
    )
    points: list[CurvePoint]
    best_price: Amount = Field(
        description="between the observed prices; do not follow it where `signal` is false"
    )
    best_price_low: Amount = Field(description="of its 90 % bootstrap interval")
    best_price_high: Amount
    observed_low: Amount = Field(description="lowest list price that the curve was fitted on")
    observed_high: Amount
    signal: bool = Field(description="whether the curve beats the medians significantly on products not seen")
    verdict: str
    target: Target
    category: str
    meta: Meta


class SplitScores(BaseModel):
    """Accuracy of one model under one split. The three R² belong together."""

    model: str
    split: Literal["random", "grouped", "time"] = Field(
        description="grouped: products not seen; time: the newest fifth"
    )
    champion: bool
    r2: float | None = Field(description="of units, all products pooled")
    r2_within: float | None = Field(description="after the mean of each product was taken from both")
    r2_log: float | None = Field(description="of log1p units")
    wape_pct: float | None
    rmse: float
    mae: float
    skill: float | None = Field(description="share of the better median's error that is removed")
    skill_low: float | None = Field(description="lower end of its 90 % interval")
    skill_naive: float | None = Field(description="the same over last value and seasonal naive")
    coverage_90: float | None = Field(description="share of sales inside the 90 % interval")


class LeakRow(BaseModel):
    """How much of the sales one column gives away."""

    column_name: str
    role: Literal["input", "left out", "control"] = Field(
        description="control: made from the sales on purpose"
    )
    r2_alone: float
    r2_with_inputs: float
    verdict: str


class FeatureShare(BaseModel):
    """Share of the model's gain that a feature brings, by permutation."""

    feature: str
    importance: Share


class SalesModelReport(BaseModel):
    """What the last training of the sales model measured: verdict first."""

    model_config = with_examples(
        {
            "champion": "overall_median",
            "signal": False,
            "verdict": "no signal: skill of forest over the overall median on products not seen is 0.1 %",
            "measured_at": "2026-11-21T01:00:00Z",
            "published_r2": 0.9832,
            "scores": [
                {
                    "model": "stack",
                    "split": "time",
                    "champion": False,
                    "r2": -0.004,
                    "r2_within": None,
                    "r2_log": -0.01,
                    "wape_pct": 49.1,
                    "rmse": 735.3,
                    "mae": 490.2,
                    "skill": -0.002,
                    "skill_low": -0.01,
                    "skill_naive": None,
                    "coverage_90": 0.9,
                }
            ],
            "leaks": [
                {
                    "column_name": "sales_rank",
                    "role": "control",
                    "r2_alone": 0.988,
                    "r2_with_inputs": 0.988,
                    "verdict": "gives the target away",
                }
            ],
            "importance": [{"feature": "price", "importance": 0.0}],
        }
    )
    champion: str | None = Field(description="null before the first training, or when it was stopped")
    signal: bool = Field(description="whether a trained model serves, not a median")
    verdict: str | None
    measured_at: datetime | None
    published_r2: float = Field(
        description="a figure published for such a shop, whose set-up leaks its target"
    )
    scores: list[SplitScores]
    leaks: list[LeakRow]
    importance: list[FeatureShare]
    meta: Meta
