"""Shapes of what is told about models (accuracy, importance, training) and about the service itself."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from serving_api.shapes import Asked, Meta, Name
from serving_api.shapes_review import STRICT

Share = Annotated[float, Field(ge=0, le=1)]
Trained = Literal["price", "sales", "signal"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "rejected"]
JobReason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200), Field(description="why")]


class AccuracyAsked(Asked):
    commodity: Name | None = Field(None, description="id or alias; a group answers with its members", examples=["cabai"])
    region: Name | None = Field(None, description="province name or two-digit code; Indonesia: all provinces together")
    model: Name | None = Field(None, examples=["ensemble"])
    horizon_days: int | None = Field(None, ge=1, le=30)
    kind: Literal["backtest", "issued"] = Field("backtest", description="issued: forecasts that were served, measured afterwards")


class AccuracyRow(BaseModel):
    """How far a model's forecasts lay from the prices that came."""

    model: str = Field(examples=["ensemble"])
    commodity: str
    region: str = Field(description="a province, or Indonesia: all provinces together")
    horizon_days: int = Field(ge=1)
    mape_pct: float = Field(ge=0)
    wape_pct: float = Field(ge=0)
    mae_idr: float = Field(ge=0)
    rmse_idr: float = Field(ge=0)
    accuracy_pct: float = Field(description="100 - mape_pct; naive's own is the bar")
    skill_vs_naive: float = Field(description="1 - mae / mae of naive on the same forecasts")
    coverage: Share | None = Field(description="share of prices inside the 80 % interval")
    origins: int = Field(ge=1, description="days from which was forecast")
    alias: str | None = Field(description="champion, or null")


class ImportanceAsked(Asked):
    model: Trained
    commodity: Name | None = Field(None, description="without a model of its own: that of all commodities together")


class ImportanceRow(BaseModel):
    """How much a feature adds to a model."""

    feature: str
    importance: float = Field(ge=0, description="share; all features of the model together 1")
    rank: int = Field(ge=1)


class RetrainBody(BaseModel):
    """What to train; absent or empty: everything."""

    model_config = STRICT
    models: list[Literal["prophet", "lstm", "ensemble", "sales", "signal"]] = Field([], max_length=5)
    commodities: list[Name] = Field([], max_length=100)
    reason: JobReason = Field(examples=["two weeks of prices were corrected"])


class JobReceipt(BaseModel):
    """The order is filed; the trainer takes it."""

    job_id: str = Field(examples=["train-20261121T010000-0b1c2d3e"])
    status: Literal["queued"]
    created_at: datetime


class JobState(BaseModel):
    """How far training is. `rejected`: trained, lost at the gate."""

    job_id: str
    status: JobStatus
    progress_pct: float = Field(ge=0, le=100)
    run_id: str | None = Field(description="of MLflow")
    promoted: bool = Field(description="at least one commodity has a new champion")
    detail: str | None
    created_at: datetime
    finished_at: datetime | None


class Latency(BaseModel):
    """Percentiles, milliseconds."""

    p50: float = Field(ge=0)
    p95: float = Field(ge=0)
    p99: float = Field(ge=0)


class Stats(BaseModel):
    """What this process has done since it started."""

    uptime_seconds: float = Field(ge=0)
    requests_total: int = Field(ge=0)
    predictions_total: int = Field(ge=0)
    cache_hit_ratio: Share = Field(description="share of the predictions that were remembered; 0 before the first")
    latency_ms: Latency = Field(description="of the newest 5,000 requests")
    models_loaded: int = Field(ge=0, description="models whose forecasts are served, and the sales model once it was asked")
    meta: Meta


class Good(BaseModel):
    commodity: str
    name: str
    unit: str
    aliases: list[str]
    is_group: bool


class Place(BaseModel):
    code: str = Field(examples=["32"])
    name: str
    timezone: Literal["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"]


class Symbol(BaseModel):
    symbol: str = Field(examples=["BTC"])
    asset_class: Literal["crypto", "equity"]


class Supported(BaseModel):
    """Names that may be asked for."""

    commodities: list[Good]
    regions: list[Place]
    symbols: list[Symbol] = Field(description="those with bars in the tables")
    models: list[str] = Field(description="forecasters that speak at present; naive always may")
    meta: Meta
