"""Health, readiness, metrics."""

import shutil
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response

from conf.broker import AcknowledgedProducer
from conf.settings import settings
from serving_api import scrape
from serving_api.access import Role, at_least
from serving_api.answers import JSON
from serving_api.gold import Gold
from serving_api.middleware import is_loopback
from serving_api.problems import Problem, nothing_asked
from serving_api.shapes import problems

router = APIRouter(tags=["service"], dependencies=[Depends(nothing_asked)])
STARTED = time.monotonic()
PIPELINE_SILENT_SECONDS = 30  # the stream notes its state every 2 s; a long batch may hold it up
DISK_MIN_BYTES = 500_000_000
KAFKA_ANSWER_GOOD_SECONDS = 5.0


def product_version() -> str:
    """Of the installed package, or of the checkout."""
    try:
        return version("lumbung")
    except PackageNotFoundError:
        return "0.1.0"


class KafkaProbe:
    """Whether the broker answers; asked at most every few seconds, whoever asks."""

    def __init__(self, producer: AcknowledgedProducer) -> None:
        self._producer, self._at, self._answer = producer, -1e9, False

    async def ok(self) -> bool:
        """The newest answer."""
        if time.monotonic() - self._at > KAFKA_ANSWER_GOOD_SECONDS or not self._answer:
            self._answer = await run_sync(self._producer.reachable)
            self._at = time.monotonic()
        return self._answer


def now(body: dict[str, Any]) -> Response:
    """An answer about this moment only."""
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type=JSON)


def uptime_seconds() -> float:
    """Since this process began to serve."""
    return round(time.monotonic() - STARTED, 1)


def pipeline_state(gold: Gold) -> tuple[str, str | None]:
    """("ok" | "degraded" | "down", what is wrong)."""
    said = gold.progress
    if not said:
        return "down", "the stream has never run here"
    silent = (datetime.now(UTC) - datetime.fromisoformat(said["updated_at"])).total_seconds()
    if said["state"] == "stopped" or silent > PIPELINE_SILENT_SECONDS:
        return "down", f"the stream is {said['state']}, last heard of {silent:.0f} s ago"
    return ("ok", None) if said["state"] == "running" else ("degraded", f"the stream is {said['state']}")


@router.get("/health", summary="How each part is", responses=problems(503))
async def health(request: Request) -> Response:
    """`down` (503) only when this service cannot answer from its tables. `models` is off until something has been forecast."""
    gold: Gold = request.app.state.gold
    probe: KafkaProbe = request.app.state.kafka
    services = {
        "kafka": "ok" if await probe.ok() else "down",
        "pipeline": pipeline_state(gold)[0],
        "tables": "ok" if gold.loaded else "down",
        "models": "ok" if gold.count("gold.forecasts") else "off",
        "identity": "off",
    }
    if services["tables"] == "down":
        raise Problem("warming-up", why=gold.failure or "tables are being opened", more={"services": services})
    overall = "ok" if set(services.values()) <= {"ok", "off"} else "degraded"
    body = {
        "status": overall,
        "version": product_version(),
        "uptime_seconds": uptime_seconds(),
        "services": services,
    }
    return now(body)


@router.get("/livez", summary="The process answers")
async def livez() -> Response:
    """Always ok: a process that cannot say so is dead."""
    return now({"status": "ok"})


@router.get("/readyz", summary="Ready for traffic", responses=problems(503))
async def readyz(request: Request) -> Response:
    """Tables open, Kafka answers, disk not full. What is missing is named."""
    gold: Gold = request.app.state.gold
    probe: KafkaProbe = request.app.state.kafka
    free = shutil.disk_usage(settings().home).free
    kafka = await probe.ok()
    parts: dict[str, dict[str, Any]] = {
        "tables": {"ready": gold.loaded, "detail": gold.failure},
        "kafka": {"ready": kafka, "detail": None if kafka else f"no answer from {settings().kafka.bootstrap}"},
        "disk": {"ready": free > DISK_MIN_BYTES, "detail": None if free > DISK_MIN_BYTES else f"{free >> 20} MiB free"},
    }
    missing = [f"{name}: {part['detail'] or 'not yet'}" for name, part in parts.items() if not part["ready"]]
    if missing:
        slug = "warming-up" if parts["disk"]["ready"] else "storage-full"
        raise Problem(slug, why="; ".join(missing), more={"parts": parts})
    return now({"status": "ready", "parts": parts})


@router.get("/metrics", summary="Prometheus text; from loopback or for an administrator", responses=problems(401, 403))
async def prometheus(request: Request) -> Response:
    """Counters of this service, balance and lag of the stream."""
    if not is_loopback(request.scope.get("client")):
        at_least(request, Role.ADMIN)
    state = request.app.state
    body = await run_sync(scrape.text, state.gold, state.balance, state.reviews)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")
