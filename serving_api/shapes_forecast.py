"""Shapes of forecasts and predictions: what is asked of them and what is answered."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving_api.shapes import Meta, Name
from serving_api.shapes_review import STRICT

Model = Literal["champion", "prophet", "lstm", "ensemble"]
Share = Annotated[float, Field(ge=0, le=1)]
Rupiah = Annotated[float, Field(gt=0, description="rupiah per unit")]
Region = Annotated[Name | None, Field(description="province name or two-digit code; absent: the nation", examples=["Jawa Barat"])]


class ForecastOfPath(BaseModel):
    """What may be asked beside the commodity in the path."""

    model_config = ConfigDict(extra="forbid")
    region: Region = None


class ForecastAsked(ForecastOfPath):
    commodity: Name = Field(description="id or alias; a group is forecast by its representative", examples=["cabai-rawit-merah"])


class ForecastDay(BaseModel):
    date: date
    price_idr: Rupiah
    lower_idr: Rupiah
    upper_idr: Rupiah


class Forecast(BaseModel):
    """The champion's forecast of the next seven days."""

    commodity: str = Field(description="the good that was forecast: of a group its representative")
    region: str = Field(description="a province, or Indonesia")
    unit: str
    horizon_days: Literal[7]
    forecast: list[ForecastDay] = Field(min_length=7, max_length=7)
    interval_level: Share = Field(description="share of prices that the intervals are made to cover")
    confidence: Share = Field(description="that the price of the last day lands within 10 % of its forecast")
    meta: Meta


class Confidence(BaseModel):
    """How far the champion's forecast can be trusted, a week ahead."""

    commodity: str
    region: str
    confidence: Share = Field(description="that the price of the seventh day lands within 10 % of its forecast")
    interval_level: Share
    coverage: Share | None = Field(description="share of past prices that lay inside the intervals; null: not measured yet")
    wape_pct: float | None = Field(ge=0, description="100 * sum of |error| / sum of prices; null: not measured yet")
    origins: int = Field(ge=0, description="days from which was forecast to measure it")
    meta: Meta


class PredictBody(BaseModel):
    """What is asked of one commodity; `market_id` stands for its province."""

    model_config = STRICT | ConfigDict(json_schema_extra={"examples": [{"region": "Jawa Barat", "horizon_days": 7}]})
    region: Region = None
    market_id: Name | None = Field(None, examples=["PASAR-001"])
    horizon_days: int = Field(7, ge=1, le=30)
    model: Model = "champion"
    interval_level: float = Field(0.8, ge=0.5, le=0.99)


class BatchMember(BaseModel):
    """One prediction of many."""

    model_config = STRICT
    commodity: Name
    region: Region = None
    horizon_days: int = Field(7, ge=1, le=30)
    model: Model = "champion"


class BatchBody(BaseModel):
    """Members are checked one by one: a bad one does not fail the rest."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={"examples": [{"requests": [{"commodity": "cabai-rawit-merah"}, {"commodity": "bawang-merah"}]}]}
    )
    requests: list[Any] = Field(min_length=1, max_length=100, description="each {commodity, region?, horizon_days?, model?}")


class PredictedDay(ForecastDay):
    confidence: Share


class Predicted(BaseModel):
    """A prediction from materialised forecasts."""

    commodity: str
    region: str
    unit: str
    horizon_days: int = Field(ge=1, le=30)
    predictions: list[PredictedDay]
    confidence: Share = Field(description="the least of the days: that a price lands within 10 % of its forecast")
    cached: bool = Field(description="the same was asked before of this version of the forecasts")


class Prediction(Predicted):
    meta: Meta


class MemberProblem(BaseModel):
    type: str = Field(examples=["/problems/unknown-commodity"])
    title: str
    status: int


class MemberResult(BaseModel):
    index: int = Field(ge=0)
    ok: bool
    prediction: Predicted | None
    problem: MemberProblem | None


class BatchAnswer(BaseModel):
    """One result a member, in their order."""

    results: list[MemberResult]
    succeeded: int = Field(ge=0)
    failed: int = Field(ge=0)
    meta: Meta
