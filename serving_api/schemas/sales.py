"""Schemas of the sales prediction of a product."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, RequestBody, Share
from serving_api.schemas.retail.analytics import ShopParameter

Target = Literal["units_so_far", "units_a_day"]
Units = Annotated[float, Field(ge=0, description="units")]


class SalesBody(RequestBody):
    """A product, with its price in the currency of the shop.

    Price and rating must be within the settings `retail.*`.
    """

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
