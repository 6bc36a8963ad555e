"""Schemas of anomalies: of prices sent for a check, and of those detected in the tables."""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from serving_api.http.messages import message
from serving_api.schemas.envelope import Meta, Name, RequestBody

Method = Literal["isolation_forest", "dbscan", "residual"]


def strict_date(given: Any) -> date:
    """The date of a text YYYY-MM-DD. Raises ValueError for anything else that could be read as a date."""
    if not isinstance(given, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", given):
        raise ValueError(message("date_format"))
    return date.fromisoformat(given)


class Observation(RequestBody):
    date: Annotated[date, BeforeValidator(strict_date)]
    price_idr: float = Field(gt=0, le=1e12, description="rupiah per unit of the commodity")


class AnomalyBody(RequestBody):
    """Prices of one series, in any order. Each is compared with the prices before its date."""

    commodity: Name
    region: Name | None = Field(
        None, description="province name or two-digit code; default: the whole country"
    )
    observations: list[Observation] = Field(min_length=1, max_length=1000)
    methods: list[Method] = Field(["isolation_forest", "dbscan", "residual"], min_length=1, max_length=3)


class CheckedPrice(BaseModel):
    date: date
    price_idr: float
    is_anomaly: bool = Field(
        description="the limit of `residual` or `isolation_forest` is exceeded, or that of `dbscan` "
        "when it is the only method requested"
    )
    score: float = Field(
        ge=0,
        le=1,
        description="1 - p of the method that finds the price most unusual; 0 when it is not evaluated",
    )
    severity: Literal["none", "low", "medium", "high", "critical"]
    verdict: Literal["ordinary", "anomaly", "not_evaluated"]
    reason: Literal["no_history", "too_old", "too_new"] | None = Field(
        description="why it is not. no_history: no earlier price is known; too_old: the known ones are of "
        "its day or later; too_new: the last one is more than 60 days older, so that most prices would pass"
    )
    methods: list[Method] = Field(description="methods whose limit is exceeded")


class AnomalyReport(BaseModel):
    """One entry per observation, in the order of the request."""

    commodity: str
    region: str
    anomalies: list[CheckedPrice]
    count: int = Field(ge=0, description="number of anomalies")
    meta: Meta
