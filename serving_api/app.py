"""The API: gold tables, quarantine and the HTTP door over one thin application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from conf.settings import settings
from serving_api.access import Bearers
from serving_api.balance import Balance
from serving_api.decisions import Decisions
from serving_api.gold import Gold
from serving_api.idempotency import Idempotency
from serving_api.integrity_checks import Checks
from serving_api.kept_answers import KeptAnswers
from serving_api.middleware import Envelope
from serving_api.paging import Cursors
from serving_api.problems import Problem, of_http_exception, of_query, written
from serving_api.reviews import Reviews
from serving_api.routes import (
    blockchain,
    decisions,
    events,
    ingest,
    markets,
    price_check,
    prices,
    quality,
    quarantine,
    service,
    short_forms,
)
from serving_api.routes.service import KafkaProbe, product_version
from serving_api.sending import RememberingProducer
from serving_api.shapes import PROBLEM_SCHEMA


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Open the tables and the producer; on the way out finish what is under way."""
    state = application.state
    state.bearers = Bearers()
    state.cursors = Cursors(state.bearers.cursor_key)
    state.gold = Gold()
    state.gold.start()
    state.checks = Checks()
    state.reviews, state.balance = Reviews(state.gold), Balance(state.gold)
    state.producer = RememberingProducer()
    state.decisions = Decisions(state.gold, state.reviews, state.producer)
    state.kept_answers = KeptAnswers()
    state.kafka = KafkaProbe(state.producer)
    yield
    state.checks.stop()
    state.gold.stop()
    await state.producer.close()
    state.kept_answers.close()


async def on_problem(request: Request, error: Exception) -> Response:
    """Every error of ours, of the framework and of pydantic leaves as a problem; the rest is for Envelope."""
    if isinstance(error, Problem):
        return written(error, request)
    if isinstance(error, HTTPException):
        return written(of_http_exception(error, request), request)
    if isinstance(error, RequestValidationError):
        return written(of_query(error.errors()), request)
    raise error


def described(application: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 with the shape of problems and the bearer scheme."""
    if application.openapi_schema is None:
        schema = get_openapi(
            title=application.title,
            version=application.version,
            openapi_version="3.1.0",
            description=application.description,
            routes=application.routes,
        )
        schema["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                operation["responses"].get("422", {}).get("content", {}).pop("application/json", None)
                if "406" in operation["responses"] and "410" in operation["responses"] and "quarantine" not in path:
                    operation["responses"]["304"] = {"description": "If-None-Match names the version that still stands"}
                if path.startswith("/api/v1/quarantine"):
                    operation["security"] = [{"bearer": []}]
        application.openapi_schema = schema
    return application.openapi_schema


def create() -> FastAPI:
    """The application; it starts nothing before its lifespan begins."""
    application = FastAPIOffline(
        title="Lumbung",
        version=product_version(),
        description="Validated prices and sensor readings, each answer with the table versions it comes from.",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    rooms = (service, ingest, events, prices, markets, decisions, quarantine, quality, price_check, blockchain, short_forms)
    for room in rooms:
        application.include_router(room.router)
    for error in (Problem, HTTPException, RequestValidationError):
        application.add_exception_handler(error, on_problem)
    application.openapi = lambda: described(application)  # type: ignore[method-assign]
    application.add_middleware(Idempotency)
    if origins := settings().api.cors_origins:
        seen = ["ETag", "Idempotency-Replayed", "Link", "Retry-After", "X-Request-Id"]
        application.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"], expose_headers=seen
        )
    application.add_middleware(Envelope)
    return application


app = create()
