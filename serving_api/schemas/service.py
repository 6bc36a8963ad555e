"""Schemas of the service itself: health, readiness, statistics and supported names."""

from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Share


class Health(BaseModel):
    """The state of each part of the product."""

    status: Literal["ok", "degraded"]
    version: str
    uptime_seconds: float = Field(ge=0)
    services: dict[str, Literal["ok", "degraded", "down", "off"]]
    snapshot_age_seconds: float = Field(
        ge=0, description="since all served tables were last read without an error"
    )


class Liveness(BaseModel):
    """The process responds."""

    status: Literal["ok"]


class PartReadiness(BaseModel):
    ready: bool
    detail: str | None


class Readiness(BaseModel):
    """The service is ready for traffic."""

    status: Literal["ready"]
    parts: dict[str, PartReadiness]


class Latency(BaseModel):
    """Percentiles, milliseconds."""

    p50: float = Field(ge=0)
    p95: float = Field(ge=0)
    p99: float = Field(ge=0)


class Stats(BaseModel):
    """Counters of this process since it started."""

    uptime_seconds: float = Field(ge=0)
    requests_total: int = Field(ge=0)
    predictions_total: int = Field(ge=0)
    cache_hit_ratio: Share = Field(
        description="share of the predictions that came from the cache; 0 before the first"
    )
    latency_ms: Latency = Field(description="of the newest 5,000 requests")
    models_loaded: int = Field(
        ge=0, description="models whose forecasts are served, plus the sales model once it is loaded"
    )
    meta: Meta


class SupportedCommodity(BaseModel):
    commodity: str
    name: str
    unit: str
    aliases: list[str]
    is_group: bool


class SupportedRegion(BaseModel):
    code: str = Field(examples=["32"])
    name: str
    timezone: Literal["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"]


class SupportedSymbol(BaseModel):
    symbol: str = Field(examples=["BTC"])
    asset_class: Literal["crypto", "equity"]


class Supported(BaseModel):
    """Names that requests may use."""

    commodities: list[SupportedCommodity]
    regions: list[SupportedRegion]
    symbols: list[SupportedSymbol] = Field(description="symbols that have bars in the tables")
    shops: list[str] = Field(description="shops that have listings")
    models: list[str] = Field(description="models with current forecasts; naive is always supported")
    meta: Meta
