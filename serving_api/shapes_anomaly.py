"""Shapes of anomalies: prices given to be judged, and those that were found in the tables."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from serving_api.shapes import Asked, Meta, Name, Time
from serving_api.shapes_review import STRICT

Method = Literal["isolation_forest", "dbscan", "residual"]
Severity = Literal["low", "medium", "high", "critical"]


def plain_day(given: Any) -> date:
    """YYYY-MM-DD and nothing that merely can be read as a day."""
    if not isinstance(given, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", given):
        raise ValueError("a day is written YYYY-MM-DD")
    return date.fromisoformat(given)


class Observation(BaseModel):
    model_config = STRICT
    date: Annotated[date, BeforeValidator(plain_day)]
    price_idr: float = Field(gt=0, le=1e12, description="rupiah per unit of the commodity")


class AnomalyBody(BaseModel):
    """Prices of one series, in any order; each is judged by what came before its day."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "commodity": "bawang-merah",
                    "region": "Jawa Barat",
                    "observations": [
                        {"date": "2024-01-01", "price_idr": 40000},
                        {"date": "2024-01-02", "price_idr": 40500},
                        {"date": "2024-01-03", "price_idr": 400000},
                    ],
                }
            ]
        }
    )
    commodity: Name
    region: Name | None = Field(None, description="province name or two-digit code; absent: the nation")
    observations: list[Observation] = Field(min_length=1, max_length=1000)
    methods: list[Method] = Field(["isolation_forest", "dbscan", "residual"], min_length=1, max_length=3)


class JudgedPrice(BaseModel):
    date: date
    price_idr: float
    is_anomaly: bool = Field(description="residual or isolation forest passes its limit, or DBSCAN when it is asked for alone")
    score: float = Field(
        ge=0, le=1, description="1 - p of the deciding method that finds it strangest; 0 when none could say anything"
    )
    severity: Literal["none", "low", "medium", "high", "critical"]
    methods: list[Method] = Field(description="those whose limit is passed")


class AnomalyAnswer(BaseModel):
    """One entry an observation, in their order."""

    commodity: str
    region: str
    anomalies: list[JudgedPrice]
    count: int = Field(ge=0, description="how many are anomalies")
    meta: Meta


class AnomaliesAsked(Asked):
    commodity: Name | None = Field(None, description="id or alias; a group answers with its members", examples=["cabai"])
    severity: Severity | None = None
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None


class AnomalyRow(BaseModel):
    """An anomaly that was found in the accepted prices of a region."""

    region: str
    commodity: str
    market_id: str | None = Field(description="null: the province's daily price")
    event_time: datetime
    price_idr: float = Field(gt=0)
    score: float = Field(ge=0, le=1)
    severity: Severity
    kind: Literal["temporal", "geographic"]
    label: Literal["shock", "manipulation", "sample_noise", "unknown"] = Field(
        description="what the evidence suggests; provisional until four market days have passed"
    )
