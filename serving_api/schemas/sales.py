"""Schemas of the sales prediction of a product."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import STRICT, Meta, Name, Share, with_examples
from serving_api.schemas.retail.analytics import ShopParameter

Target = Literal["units_so_far", "units_a_day"]
Units = Annotated[float, Field(ge=0, description="units")]


class SalesBody(BaseModel):
    """A product, with its price in the currency of the shop.

    Price and rating must be within the settings `retail.*`.
    """

    model_config = STRICT | with_examples(
        {
            "price": 299.99,
            "discount_percentage": 15,
            "rating": 4.5,
            "num_reviews": 100,
            "category": "Electronics",
        }
    )
    price: float = Field(description="currency of the shop")
    discount_percentage: float = Field(ge=0, le=100)
    rating: float = Field(description="points")
    num_reviews: int = Field(ge=0, le=10**12)
    category: Name = Field(
        description="in upper or lower case; from the reference list, or known to the model"
    )
    shop: ShopParameter = None


class SalesPrediction(BaseModel):
    """The prediction of the champion among the sales models."""

    model_config = with_examples(
        {
            "predicted_sales": 512.4,
            "lower": 120.7,
            "upper": 960.2,
            "interval_level": 0.9,
            "confidence": 0.18,
            "category": "ELECTRONICS",
            "target": "units_so_far",
        }
    )
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
