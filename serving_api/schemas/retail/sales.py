"""Schemas of the price curve of a product, and of what is known about the sales model."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, RequestBody, Share
from serving_api.schemas.retail.analytics import Amount, ShopParameter

Target = Literal["units_so_far", "units_a_day"]
Units = Annotated[float, Field(ge=0, description="units")]


class ProductBody(RequestBody):
    """A product of a shop, without a price."""

    discount_percentage: float = Field(ge=0, le=100)
    rating: float = Field(description="points")
    num_reviews: int = Field(ge=0, le=10**12)
    category: Name = Field(
        description="in upper or lower case; from the reference list, or known to the model"
    )
    shop: ShopParameter = None


class SalesBody(ProductBody):
    """A product, with its price in the currency of the shop.

    Price and rating must be within the settings `retail.*`.
    """

    price: float = Field(description="currency of the shop")


class SalesPrediction(BaseModel):
    """The prediction of the champion among the sales models."""

    predicted_sales: Units
    lower: Units
    upper: Units
    interval_level: Share = Field(description="share of products that the intervals are calibrated to cover")
    confidence: Share = Field(
        description="probability that sales are within 20 % of the prediction, from past errors"
    )
    category: str
    target: Target = Field(description="a day: of a shop that reports each product again and again")
    meta: Meta


class PriceCurveBody(ProductBody):
    """A product, and the list prices from which one is sought.

    Prices and rating must be within the settings `retail.*`.
    """

    price_min: float = Field(description="currency of the shop")
    price_max: float = Field(description="above price_min")
    steps: int = Field(20, ge=2, le=50, description="points of the curve")
    product_id: int | None = Field(None, ge=1, le=2**53 - 1, description="for the product's own elasticity")
    unit_cost: float | None = Field(
        None, ge=0, le=1e12, description="currency of the shop; with it the best price is that of most profit"
    )


class CurvePoint(BaseModel):
    """Units, net revenue and profit at a list price, with 90 % intervals."""

    price: Amount
    predicted_sales: Units
    sales_low: Units
    sales_high: Units
    revenue: Amount = Field(description="price * (1 - discount) * predicted_sales")
    revenue_low: Amount
    revenue_high: Amount
    profit: float | None = Field(description="(price * (1 - discount) - unit_cost) * predicted_sales")
    profit_low: float | None
    profit_high: float | None


class PriceCurve(BaseModel):
    """Demand as a function of the price, and the price of the most profit or revenue.

    Prices reach 10 % beyond the observed ones.
    """

    points: list[CurvePoint]
    best_price: Amount = Field(description="do not follow it where `signal` is false")
    best_price_low: Amount = Field(description="of its 90 % interval")
    best_price_high: Amount
    at_edge: bool = Field(
        description="whether the best price is the first or last of the range: what lies beyond is not known"
    )
    aim: Literal["profit", "revenue"]
    basis: Literal["elasticity", "demand"] = Field(
        description="the measured elasticity of the product or category, else a curve fitted to its sales"
    )
    elasticity: float | None = Field(description="percent of units a percent of price")
    test_days: int | None = Field(
        description="days of a test that would show what is not known here: two prices 10 % apart, half each"
    )
    product_id: int | None = Field(description="null: a typical product of the category")
    observed_low: Amount = Field(description="lowest list price that the shop has had")
    observed_high: Amount
    signal: bool = Field(
        description="by elasticity: its interval lies below 0; by demand: the curve beats the medians "
        "significantly on products not seen"
    )
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
