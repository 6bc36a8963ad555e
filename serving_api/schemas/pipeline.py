"""Schemas of the pipeline and of changed live prices."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.daily import OverviewBalance
from serving_api.schemas.envelope import Meta, Name, PageQuery, example_of, with_examples
from serving_api.schemas.quality import EventCounts


class ChangesQuery(PageQuery):
    """Parameters of the list of changed prices."""

    after: int | None = Field(
        None,
        ge=0,
        le=2**53,
        description="`meta.delta_version` of gold.live_prices in the first page of the previous answer; "
        "without it the list is empty and names the version to begin with",
    )
    commodity: Name | None = Field(None, description="id or alias; a group covers its members")


class PipelineTable(BaseModel):
    """A table of the lake."""

    table: str
    layer: Literal["bronze", "silver", "gold"]
    delta_version: int | None = Field(description="null: no row yet")
    rows: int = Field(ge=0)
    written_at: datetime | None = Field(description="last commit")
    lag_seconds: float | None = Field(description="how much newer the newest commit of its sources is")
    freshness_seconds: float = Field(description="lag that its contract promises")
    late: bool
    fed_by: list[str]


class PipelineProcess(BaseModel):
    """A process that writes tables."""

    name: str
    state: Literal["starting", "waiting", "running", "stopped", "killed"]
    since: datetime = Field(description="when it last reported")


class SilentSince(BaseModel):
    """Nothing reports, and most of the devices and markets that used to should have."""

    since: datetime = Field(description="the newest event of any of them")
    series: int = Field(ge=1, description="how many used to report")


class PipelineHour(BaseModel):
    """Where the events of an hour landed."""

    hour: datetime = Field(description="begin of the hour")
    rows_in: int = Field(ge=0)
    silver: int = Field(ge=0)
    quarantine: int = Field(ge=0)
    duplicates: int = Field(ge=0)


class Pipeline(BaseModel):
    """Tables, processes and the balance of events."""

    model_config = with_examples(
        {
            "tables": [
                {
                    "table": "silver.prices",
                    "layer": "silver",
                    "delta_version": 812,
                    "rows": 69268,
                    "written_at": "2026-11-21T01:00:00.125Z",
                    "lag_seconds": 0.4,
                    "freshness_seconds": 2,
                    "late": False,
                    "fed_by": ["bronze.events"],
                }
            ],
            "kafka_lag": 0,
            "processes": [{"name": "stream", "state": "running", "since": "2026-11-21T01:00:00.125Z"}],
            "silence": None,
            "balance": {**example_of(EventCounts), "balanced": True},
            "hours": [
                {
                    "hour": "2026-11-21T01:00:00Z",
                    "rows_in": 100,
                    "silver": 98,
                    "quarantine": 2,
                    "duplicates": 0,
                }
            ],
        }
    )
    tables: list[PipelineTable] = Field(description="bronze first, then by name")
    kafka_lag: int | None = Field(description="events that wait in Kafka; null: not known")
    processes: list[PipelineProcess]
    silence: SilentSince | None = Field(
        description="null until more than half of them are silent for more than three of their usual gaps"
    )
    balance: OverviewBalance
    hours: list[PipelineHour] = Field(
        description="the 24 hours that end with the newest micro-batch, the oldest first"
    )
    meta: Meta
