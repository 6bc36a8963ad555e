"""Schemas of models: accuracy, feature importance and training jobs."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from serving_api.schemas.envelope import Name, RequestBody, Share

TrainedModel = Literal["price", "sales", "signal"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "rejected"]
JobReason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=200),
    Field(description="why the training is requested"),
]


class AccuracyRow(BaseModel):
    """How far the forecasts of a model were from the actual prices."""

    model: str = Field(examples=["ensemble"])
    commodity: str
    region: str = Field(description="a province, or Indonesia: all provinces together")
    horizon_days: int = Field(ge=1)
    mape_pct: float = Field(ge=0)
    wape_pct: float = Field(ge=0)
    mae_idr: float = Field(ge=0)
    rmse_idr: float = Field(ge=0)
    accuracy_pct: float = Field(description="100 - mape_pct; compare it with that of naive")
    skill_vs_naive: float = Field(description="1 - mae / mae of naive on the same forecasts")
    skill_low: float | None = Field(
        description="lower end of the 90 % interval of the skill; null: of one province, or below 8 origins"
    )
    skill_high: float | None = Field(description="its upper end")
    coverage: Share | None = Field(description="share of prices inside the 80 % interval")
    origins: int = Field(ge=1, description="number of forecast origins")
    alias: str | None = Field(description="champion, or null")


class RetrainBody(RequestBody):
    """What to train. An empty or absent list means everything."""

    models: list[Literal["prophet", "lstm", "ensemble", "sales", "signal"]] = Field([], max_length=5)
    commodities: list[Name] = Field([], max_length=100)
    reason: JobReason = Field(examples=["two weeks of prices were corrected"])


class JobReceipt(BaseModel):
    """The training job is queued."""

    job_id: str = Field(examples=["train-20261121T010000-0b1c2d3e"])
    status: Literal["queued"]
    created_at: datetime


class JobState(BaseModel):
    """The state of a training job. `rejected`: trained, but did not pass the gate."""

    job_id: str
    status: JobStatus
    status_text: str = Field(
        description="the status for people, in the language of Accept-Language: en or id"
    )
    progress_pct: float = Field(ge=0, le=100)
    run_id: str | None = Field(description="run id in MLflow")
    promoted: bool = Field(description="true when at least one commodity has a new champion")
    detail: str | None = Field(description="in the language of Accept-Language")
    created_at: datetime
    finished_at: datetime | None
