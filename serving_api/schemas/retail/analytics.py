"""Schemas of the figures of a shop, per category; prices are in the currency of the shop."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import FileFormat, Meta, Name, QueryParameters, WholeList

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, description="currency of the shop")]
Rating = Annotated[float, Field(description="points")]
Correlation = Annotated[float, Field(ge=-1, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
ShopName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
ShopParameter = Annotated[ShopName | None, Field(description="the default shop, or the only one, without it")]


class ShopEntry(BaseModel):
    """A shop that has listings."""

    shop: ShopName
    currency: str | None = Field(description="ISO 4217; null where conf/reference/shops.yml names none")


class ShopList(BaseModel):
    """All of them, by name."""

    items: list[ShopEntry]
    meta: Meta


class ProductSentiment(BaseModel):
    """Polarity of all posts that name a product."""

    product_name: str
    category: str
    posts: int = Field(ge=1, description="the same text within a week counts once")
    positive: Count
    neutral: Count
    negative: Count
    score: float = Field(ge=-1, le=1, description="(positive - negative) / (positive + negative + 5)")
    newest: date = Field(description="day of the newest post in Jakarta")


class ShopQuery(QueryParameters):
    """Which shop. Unknown parameters are refused."""

    shop: ShopParameter = None


class CategoryQuery(ShopQuery):
    """Which category of which shop; all categories without it."""

    category: Name | None = Field(None, description="in upper or lower case; all categories without it")
    format: FileFormat = None


class OfShop(ShopEntry, WholeList):
    """The shop that the figures are of."""

    meta: Meta


class CategoryRevenue(BaseModel):
    """What the products of a category have sold so far."""

    category: str
    revenue: Amount = Field(description="net of discounts, in the currency of the shop")
    units_sold: Count = Field(description="so far: a listing gives its sales cumulatively")
    average_price: Amount
    products: Count
    gross_revenue: Amount
    discount_cost: Amount
    market_date: date = Field(description="newest day of the category in Jakarta")


class RevenueReport(OfShop):
    """Revenue by category, most first."""

    total_revenue: Amount
    items: list[CategoryRevenue]


class DiscountBand(BaseModel):
    """Products of a category with similar discounts, compared with those of the band 0-5."""

    category: str
    discount_band: str = Field(description="percent: 0-5, 5-15, 15-30 or >30")
    products: Count
    units_sold: Count
    revenue: Amount
    average_discount_pct: Percent
    lift_units: float | None = Field(description="0.1: ten percent more units a product")
    lift_revenue: float | None
    lift_revenue_low: float | None = Field(description="lower end of the 90 % bootstrap interval")
    lift_revenue_high: float | None
    break_even_lift: float | None = Field(description="lift of units at which the discount costs nothing")
    effective: bool | None = Field(description="whether the interval of lift_revenue lies above 0")
    causal_lift_units: float | None = Field(
        description="what the discount adds to the units of a product, by double machine learning over time; "
        "null without such a panel, or where the price hardly varied"
    )
    causal_lift_low: float | None = Field(description="lower end of its 90 % interval")
    causal_lift_high: float | None


class DiscountReport(OfShop):
    """What goes along with discounts. An association: the shop did not choose discounts at random."""

    items: list[DiscountBand]


class RatingBand(BaseModel):
    """Products of similar net price: mean rating with its 95 % interval."""

    price_low: Amount
    price_high: Amount
    products: Count
    rating: Rating
    rating_low: float
    rating_high: float


class PriceRating(BaseModel):
    """How net price and rating go together in a category; null below 20 products."""

    category: str
    correlation: Correlation | None = Field(description="Pearson's r")
    spearman: Correlation | None
    ci_low: Correlation | None = Field(description="of Pearson's r, 95 %")
    ci_high: Correlation | None
    n: Count = Field(description="products")
    average_price: Amount
    average_rating: Rating
    bands: list[RatingBand]


class PriceRatingReport(OfShop):
    """Price and rating by category."""

    items: list[PriceRating]


class CategorySatisfaction(BaseModel):
    """Ratings, reviews and stock of a category."""

    category: str
    average_rating: Rating
    reviews: Count
    satisfaction_index: float = Field(
        ge=0, le=100, description="of ratings 1 to 5: 25 * (bayesian_rating - 1)"
    )
    high_rating_pct: Percent = Field(description="products in the upper quarter of the scale: 4 or more of 5")
    engagement: float = Field(ge=0, description="reviews per unit sold")
    bayesian_rating: Rating = Field(
        description="(C m + sum of reviews * rating) / (C + reviews): weighted by reviews, drawn to m"
    )
    prior_rating: Rating = Field(description="m: mean rating of all products of the shop")
    prior_reviews: float = Field(ge=0, description="C: median number of reviews of a product of the shop")
    products: Count
    stock_quantity: Count
    sold_out: Count = Field(description="products without stock")
    days_of_cover: float | None = Field(description="how long the stock lasts; null when nothing has sold")


class SatisfactionReport(OfShop):
    """Satisfaction of customers by category, highest first."""

    items: list[CategorySatisfaction]
