"""Shapes of what weather has to do with prices."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from serving_api.shapes import Meta, Name
from serving_api.shapes_anomaly import plain_day
from serving_api.shapes_review import STRICT

Variable = Literal["temperature_c", "rainfall_mm", "humidity_pct"]
Day = Annotated[date | None, BeforeValidator(lambda given: None if given is None else plain_day(given))]
Correlation = Annotated[float, Field(ge=-1, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]


class CorrelationBody(BaseModel):
    """`from` and `to` may only enclose the whole measured period: a part of it has too few independent weeks."""

    model_config = STRICT | ConfigDict(
        populate_by_name=True,
        json_schema_extra={"examples": [{"commodity": "bawang-merah", "region": "Jawa Barat", "variable": "rainfall_mm"}]},
    )
    commodity: Name
    region: Name
    variable: Variable
    from_: Day = Field(None, alias="from")
    to: Day = None
    max_lag_days: int = Field(14, ge=0, le=60)


class LagRow(BaseModel):
    lag_days: int = Field(ge=0)
    correlation: Correlation
    p_value: Probability


class CorrelationAnswer(BaseModel):
    """The lag that speaks loudest, and all of them."""

    commodity: str
    region: str
    variable: Variable
    correlation: Correlation
    lag_days: int = Field(ge=0, description="how long the weather goes before the price")
    n: int = Field(ge=0, description="days behind it")
    n_eff: float = Field(ge=0, description="independent days that autocorrelation leaves of them")
    ci_low: float
    ci_high: float
    p_value: Probability
    p_value_adjusted: Probability = Field(description="false-discovery rate over all goods, regions, variables and lags")
    significant: bool = Field(description="also against displaced weather")
    text: str = Field(description="the finding in Indonesian")
    method: str
    by_lag: list[LagRow]
    meta: Meta
