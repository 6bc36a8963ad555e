"""Shapes of the sales prediction: a product as it would be offered, and how much of it is likely to be sold."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from serving_api.shapes import Meta, Name
from serving_api.shapes_review import STRICT

Units = Annotated[float, Field(ge=0, description="units")]


class SalesBody(BaseModel):
    """A product in the shop's own currency; price and rating lie within the knobs `validation.retail_*`."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {"price": 299.99, "discount_percentage": 15, "rating": 4.5, "num_reviews": 100, "category": "Electronics"}
            ]
        }
    )
    price: float = Field(description="shop currency")
    discount_percentage: float = Field(ge=0, le=100)
    rating: float = Field(description="points")
    num_reviews: int = Field(ge=0, le=10**12)
    category: Name = Field(description="in any case; of the reference list, or one that the model has seen")


class SalesPredicted(BaseModel):
    """What the champion among the sales models expects."""

    predicted_sales: Units
    lower: Units
    upper: Units
    interval_level: float = Field(ge=0, le=1, description="share of products that such intervals are made to cover")
    confidence: float = Field(ge=0, le=1, description="that sales land within 20 % of the prediction, by past errors")
    category: str
    meta: Meta
