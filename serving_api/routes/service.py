"""Health, readiness, metrics and statistics of this service, and the names that requests may use."""

import shutil
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from conf.settings import settings
from lakehouse.identity.roles import Role
from lakehouse.io.identity.database import Database
from serving_api.http import metrics
from serving_api.http.dependencies import at_least
from serving_api.http.problems import Problem
from serving_api.http.request_envelope import is_loopback
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.forecasts import BASELINE, served_forecasts
from serving_api.reads.operation.balance import BalanceReader
from serving_api.reads.operation.health import VERSION, KafkaProbe, models_state, pipeline_state
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.operation.prometheus import prometheus_text
from serving_api.reads.responses import CurrentResponses, json_response
from serving_api.reads.retail.categories import shop_names
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.sales_model import SalesModels
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.supported import Symbols, supported_names
from serving_api.schemas.envelope import Meta, Share
from serving_api.schemas.problem import problems

router = Router(tags=["service"])
DISK_MIN_BYTES = 500_000_000
UNCACHED = "no-store"


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


@router.get("/health", response_model=Health, summary="State of each part")
async def get_health(
    snapshots: Shared[Snapshots], kafka: Shared[KafkaProbe], database: Shared[Database]
) -> Response:
    """503 only when this service cannot read its tables; it then serves what it read last, and names its age.

    `pipeline` is `degraded` while a batch or a job of background gold fails again and again.
    `models` is `off` until something has been forecast, and `degraded` from a failed training round, or a
    worker of one that died, until a round succeeds.
    """
    stale = snapshots.staleness
    age = {"snapshot_age_seconds": snapshots.age_seconds}
    services = {
        "kafka": "ok" if await kafka.reachable() else "down",
        "pipeline": pipeline_state(snapshots),
        "tables": "down" if stale else "ok",
        "models": models_state(snapshots),
        "identity": "ok" if await database.reachable() else "down",
    }
    if stale:
        raise Problem("warming-up", reason=stale, extensions={"services": services, **age})
    body = {
        "status": "ok" if set(services.values()) <= {"ok", "off"} else "degraded",
        "version": VERSION,
        "uptime_seconds": metrics.uptime_seconds(),
        "services": services,
        **age,
    }
    return json_response(body, cache=UNCACHED)


@router.get("/livez", response_model=Liveness, summary="The process responds")
async def get_liveness() -> Response:
    """Always ok."""
    return json_response({"status": "ok"}, cache=UNCACHED)


@router.get("/readyz", response_model=Readiness, summary="Ready for traffic")
async def get_readiness(snapshots: Shared[Snapshots], kafka: Shared[KafkaProbe]) -> Response:
    """Tables are open, Kafka responds, the disk is not full. Otherwise 503 with what is missing."""
    free = shutil.disk_usage(settings().home).free
    kafka_ready = await kafka.reachable()
    disk_ready = free > DISK_MIN_BYTES
    kafka_detail = None if kafka_ready else f"no response from {settings().kafka.bootstrap}"
    stale = snapshots.staleness
    parts: dict[str, dict[str, Any]] = {
        "tables": {"ready": stale is None, "detail": stale},
        "kafka": {"ready": kafka_ready, "detail": kafka_detail},
        "disk": {"ready": disk_ready, "detail": None if disk_ready else f"{free >> 20} MiB free"},
    }
    missing = [f"{name}: {part['detail'] or 'not yet'}" for name, part in parts.items() if not part["ready"]]
    if missing:
        slug = "warming-up" if disk_ready else "storage-full"
        raise Problem(slug, reason="; ".join(missing), extensions={"parts": parts})
    return json_response({"status": "ready", "parts": parts}, cache=UNCACHED)


@router.get(
    "/metrics",
    summary="Prometheus text; from loopback or for an administrator",
    response_class=PlainTextResponse,
    responses={
        200: {"content": {"text/plain": {"example": "lumbung_kafka_lag 0.0\n"}}},
        **problems(401, 403),
    },
    openapi_extra={"security": [{}, {"bearer": []}]},
)
def get_metrics(
    request: Request,
    snapshots: Shared[Snapshots],
    lag: Shared[KafkaLag],
    balance: Shared[BalanceReader],
    reviews: Shared[ReviewReader],
) -> Response:
    """Counters of this service, balance and lag of the stream."""
    if not is_loopback(request.scope.get("client")):
        at_least(request, Role.ADMIN)
    body = prometheus_text(snapshots, lag, balance, reviews)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/api/v1/stats", response_model=Stats, summary="Counters of this process since it started")
async def get_stats(sales_model: Shared[SalesModels], responses: CurrentResponses) -> Response:
    """Every process has its own counters."""
    snapshots = responses.snapshots
    counts = metrics.predictions()
    predictions = sum(counts.values())
    total = metrics.REQUESTS.total
    item = {
        "uptime_seconds": metrics.uptime_seconds(),
        "requests_total": total,
        "predictions_total": predictions,
        "cache_hit_ratio": round(counts["true"] / predictions, 4) if predictions else 0.0,
        "latency_ms": metrics.REQUESTS.latency_ms(),
        "models_loaded": len(served_forecasts(snapshots["gold.forecasts"]).models()) + sales_model.loaded,
    }
    tables = [snapshots["gold.model_accuracy"], snapshots["gold.forecasts"]]
    return responses.item(tables, item, variant=str(total))


@router.get("/api/v1/supported", response_model=Supported, summary="Names that requests may use")
def list_supported_names(symbols: Shared[Symbols], responses: CurrentResponses) -> Response:
    """Commodities and provinces of the reference lists, symbols with bars, models with current forecasts."""
    bars, symbols_by_file = symbols.read()
    forecasts = responses.snapshots["gold.forecasts"]
    models = sorted({BASELINE, *served_forecasts(forecasts).models()})
    revenue = responses.snapshots["gold.revenue"]
    names = supported_names(symbols_by_file, shop_names(revenue), models)
    return responses.item([forecasts, bars, revenue], names)
