"""Schemas of the correlation of weather and prices."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from serving_api.schemas.anomalies import strict_date
from serving_api.schemas.envelope import Meta, Name, QueryParameters, RequestBody, Share

Variable = Literal["temperature_c", "rainfall_mm", "humidity_pct"]
OptionalDate = Annotated[
    date | None, BeforeValidator(lambda given: None if given is None else strict_date(given))
]
Correlation = Annotated[float, Field(ge=-1, le=1)]


class CorrelationBody(RequestBody):
    """`from` and `to` must enclose the whole measured period; a part of it has too few independent weeks."""

    model_config = ConfigDict(populate_by_name=True)
    commodity: Name
    region: Name
    variable: Variable
    from_: OptionalDate = Field(None, alias="from")
    to: OptionalDate = None
    max_lag_days: int = Field(14, ge=0, le=60)


class LagRow(BaseModel):
    lag_days: int = Field(ge=0)
    correlation: Correlation
    p_value: Share


class MeasuredCorrelation(BaseModel):
    """The lag with the smallest p-value, and all lags."""

    commodity: str
    region: str
    correlation: Correlation
    lag_days: int = Field(ge=0, description="days by which the variable precedes the price")
    n: int = Field(ge=0, description="number of days")
    n_eff: float = Field(ge=0, description="effective number of independent days, given autocorrelation")
    ci_low: float
    ci_high: float
    p_value: Share
    p_value_adjusted: Share = Field(
        description="false-discovery rate over all commodities, regions, variables and lags"
    )
    significant: bool = Field(description="significant, also against the variable moved in time")
    text: str = Field(description="the result in Indonesian")
    method: str
    by_lag: list[LagRow]


class CorrelationReport(MeasuredCorrelation):
    """Correlation of a weather variable with prices."""

    variable: Variable
    meta: Meta


class SentimentCorrelationQuery(QueryParameters):
    """Parameters of the correlation of posts with prices."""

    commodity: Name = Field(
        description="id or alias; for a group, its representative", examples=["bawang-merah"]
    )
    region: Name | None = Field(None, description="province name or two-digit code; the nation without one")
    max_lag_days: int = Field(7, ge=0, le=30, description="days from the posts to the price")


class SentimentCorrelation(MeasuredCorrelation):
    """Correlation of the price pressure of posts with prices."""

    variable: Literal["sentiment"]
    meta: Meta
