"""Schemas of the pipeline and of changed live prices."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.daily import OverviewBalance
from serving_api.schemas.envelope import Meta, Name, PageQuery


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
    """A process of the stack."""

    name: str
    state: Literal["starting", "waiting", "running", "stopped", "killed", "silent"] = Field(
        description="silent: Kafka does not answer"
    )
    since: datetime | None = Field(description="when it last reported; null: of Kafka and the API")


class SilentSince(BaseModel):
    """Nothing reports, and most of the devices and markets that used to should have."""

    since: datetime = Field(description="the newest event of any of them")
    series: int = Field(ge=1, description="how many used to report")


class SeriesRhythm(BaseModel):
    """A device or market against its own rhythm."""

    series_kind: Literal["device", "market"] = Field(description="device (of readings) or market (of prices)")
    series_id: str = Field(description="device_id_hash, or market_id")
    replayed: bool = Field(description="whether its events come from a file")
    ended: bool = Field(
        description="whether it is the simulator's, and reported until the simulator stopped: not missing"
    )
    last_event_time: datetime = Field(description="its newest event")
    cadence_seconds: float | None = Field(description="its usual gap; null: fewer than 3 events")
    silent_seconds: float = Field(description="since its last event, by the clock of its source")
    silent: bool = Field(description="for longer than three usual gaps")
    since: datetime | None = Field(description="when three usual gaps were over; null unless silent")


class PipelineHour(BaseModel):
    """Where the events of an hour landed."""

    hour: datetime = Field(description="begin of the hour")
    rows_in: int = Field(ge=0)
    silver: int = Field(ge=0)
    quarantine: int = Field(ge=0)
    duplicates: int = Field(ge=0)


class Pipeline(BaseModel):
    """Tables, processes and the balance of events."""

    tables: list[PipelineTable] = Field(description="bronze first, then by name")
    kafka_lag: int | None = Field(description="events that wait in Kafka; null: not known")
    processes: list[PipelineProcess] = Field(description="from doors to API; never started: left out")
    silence: SilentSince | None = Field(
        description="null until more than half of them are silent for more than three of their usual gaps"
    )
    balance: OverviewBalance
    hours: list[PipelineHour] = Field(
        description="the 24 hours that end with the newest micro-batch, the oldest first"
    )
    meta: Meta
