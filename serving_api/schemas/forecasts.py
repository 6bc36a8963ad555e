"""Schemas of the seven-day forecast and of its confidence."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Day, Meta, Name, PageQuery, QueryParameters, Share

Rupiah = Annotated[float, Field(gt=0, description="rupiah per unit")]
OptionalRegion = Annotated[
    Name | None,
    Field(description="province name or two-digit code; default: the whole country", examples=["Jawa Barat"]),
]
ForecastCommodity = Annotated[
    Name,
    Field(
        description="id or alias; for a group without own series, its representative",
        examples=["cabai-rawit-merah"],
    ),
]
Provider = Annotated[
    str | None,
    Field(
        description="who published the prices that were forecast; of the nation all of them, with commas; "
        "null: the source names none"
    ),
]


class RegionQuery(QueryParameters):
    """Parameters of a forecast whose commodity is in the path."""

    region: OptionalRegion = None


class ForecastQuery(RegionQuery):
    """Parameters of a forecast."""

    commodity: ForecastCommodity


class ForecastDay(BaseModel):
    date: date
    price_idr: Rupiah
    lower_idr: Rupiah
    upper_idr: Rupiah


class ForecastLevel(BaseModel):
    """The interval of a level: its ends, an element per day of the forecast."""

    level: Share
    lower: list[Rupiah] = Field(min_length=7, max_length=7)
    upper: list[Rupiah] = Field(min_length=7, max_length=7)


class Forecast(BaseModel):
    """The champion's forecast of the next seven days."""

    commodity: str = Field(
        description="the commodity that was forecast; for a group without own series, its representative"
    )
    region: str = Field(description="a province, or Indonesia")
    provider: Provider
    unit: str
    origin_date: date = Field(description="last day whose prices were known")
    issued_at: datetime = Field(description="when the forecast was made")
    horizon_days: Literal[7]
    levels: list[ForecastLevel] = Field(description="intervals of 80 and 95 %")
    forecast: list[ForecastDay] = Field(min_length=7, max_length=7)
    interval_level: Share = Field(description="share of prices that the intervals are calibrated to cover")
    confidence: Share = Field(
        description="probability that the price of the last day is within 10 % of its forecast"
    )
    meta: Meta


class Confidence(BaseModel):
    """How accurate the champion's forecast is at a horizon of seven days."""

    commodity: str
    region: str
    origin_date: date = Field(description="last day whose prices were known")
    issued_at: datetime = Field(description="when the forecast was made")
    confidence: Share = Field(
        description="probability that the price of the seventh day is within 10 % of its forecast"
    )
    interval_level: Share
    coverage: Share | None = Field(
        description="share of past prices inside the intervals; null: not yet measured"
    )
    wape_pct: float | None = Field(
        ge=0, description="100 * sum of |error| / sum of prices; null: not yet measured"
    )
    origins: int = Field(ge=0, description="number of forecast origins in the measurement")
    meta: Meta


class IssuedForecastsQuery(PageQuery):
    """Parameters of the list of past forecasts."""

    commodity: ForecastCommodity
    region: OptionalRegion = None
    model: Name | None = Field(None, description="name of a model; default: the champion of that time")
    from_: Day | None = Field(None, alias="from", description="first day of issue, in Jakarta")


class IssuedForecast(BaseModel):
    """One forecast day of an issue, and the price that followed."""

    issued_at: datetime
    issued_on: date
    origin_date: date = Field(description="last day whose prices were known")
    target_date: date
    horizon_days: int = Field(ge=1)
    price_idr: Rupiah
    lower_idr: float = Field(description="lower end of the interval of 80 %")
    upper_idr: float = Field(description="upper end of the interval of 80 %")
    actual_idr: float | None = Field(
        description="price of the target day, of the nation the national price; null: not known yet"
    )
    inside: bool | None = Field(description="whether the interval of 80 % held that price")
    in_time: bool = Field(description="issued before the prices of its day were complete")
    model: str
