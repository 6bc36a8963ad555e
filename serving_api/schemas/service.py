"""Schemas of the service itself: health, readiness, statistics and supported names."""

from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Share, with_examples


class Health(BaseModel):
    """The state of each part of the product."""

    model_config = with_examples(
        {
            "status": "ok",
            "version": "0.1.0",
            "uptime_seconds": 93.5,
            "services": {
                "kafka": "ok",
                "pipeline": "ok",
                "tables": "ok",
                "models": "ok",
                "identity": "off",
            },
            "snapshot_age_seconds": 0.1,
        }
    )
    status: Literal["ok", "degraded"]
    version: str
    uptime_seconds: float = Field(ge=0)
    services: dict[str, Literal["ok", "degraded", "down", "off"]]
    snapshot_age_seconds: float = Field(
        ge=0, description="since all served tables were last read without an error"
    )


class Liveness(BaseModel):
    """The process responds."""

    model_config = with_examples({"status": "ok"})
    status: Literal["ok"]


class PartReadiness(BaseModel):
    ready: bool
    detail: str | None


class Readiness(BaseModel):
    """The service is ready for traffic."""

    model_config = with_examples(
        {
            "status": "ready",
            "parts": {
                "tables": {"ready": True, "detail": None},
                "kafka": {"ready": True, "detail": None},
                "disk": {"ready": True, "detail": None},
            },
        }
    )
    status: Literal["ready"]
    parts: dict[str, PartReadiness]


class Latency(BaseModel):
    """Percentiles, milliseconds."""

    p50: float = Field(ge=0)
    p95: float = Field(ge=0)
    p99: float = Field(ge=0)


class Stats(BaseModel):
    """Counters of this process since it started."""

    model_config = with_examples(
        {
            "uptime_seconds": 93.5,
            "requests_total": 4711,
            "predictions_total": 512,
            "cache_hit_ratio": 0.82,
            "latency_ms": {"p50": 1.2, "p95": 4.8, "p99": 9.7},
            "models_loaded": 8,
        }
    )
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

    model_config = with_examples(
        {
            "commodities": [
                {
                    "commodity": "cabai-rawit-merah",
                    "name": "Cabai Rawit Merah",
                    "unit": "kg",
                    "aliases": ["Cabai Rawit"],
                    "is_group": False,
                }
            ],
            "regions": [{"code": "32", "name": "Jawa Barat", "timezone": "Asia/Jakarta"}],
            "symbols": [{"symbol": "BTC", "asset_class": "crypto"}],
            "shops": ["main"],
            "models": ["ensemble", "naive"],
        }
    )
    commodities: list[SupportedCommodity]
    regions: list[SupportedRegion]
    symbols: list[SupportedSymbol] = Field(description="symbols that have bars in the tables")
    shops: list[str] = Field(description="shops that have listings")
    models: list[str] = Field(description="models with current forecasts; naive is always supported")
    meta: Meta
