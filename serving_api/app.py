"""The API: gold tables, quarantine and the HTTP door over one thin application."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from conf.settings import settings
from lakehouse.validation import forest
from serving_api.access import Bearers
from serving_api.balance import Balance
from serving_api.decisions import Decisions
from serving_api.documentation import described
from serving_api.forecasts import served
from serving_api.gold import Gold
from serving_api.idempotency import Idempotency
from serving_api.integrity_checks import Checks
from serving_api.kept_answers import KeptAnswers
from serving_api.middleware import Envelope
from serving_api.paging import Cursors
from serving_api.problems import Problem, of_http_exception, of_query, written
from serving_api.reviews import Reviews
from serving_api.routes import (
    analytics,
    anomalies,
    blockchain,
    decisions,
    events,
    forecasts,
    ingest,
    markets,
    models,
    predictions,
    price_check,
    prices,
    quality,
    quarantine,
    sales,
    service,
    short_forms,
    statistics,
)
from serving_api.routes.service import KafkaProbe, product_version
from serving_api.sales_model import SalesModel
from serving_api.sending import RememberingProducer


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Open the tables and the producer; on the way out finish what is under way."""
    state = application.state
    state.bearers = Bearers()
    state.cursors = Cursors(state.bearers.cursor_key)
    state.gold = Gold({"gold.forecasts": served})
    state.gold.start()
    state.checks = Checks()
    state.reviews, state.balance = Reviews(state.gold), Balance(state.gold)
    state.symbols, state.sales = statistics.symbols(state.gold), SalesModel()
    state.producer = RememberingProducer()
    state.decisions = Decisions(state.gold, state.reviews, state.producer)
    state.kept_answers = KeptAnswers()
    state.kafka = KafkaProbe(state.producer)
    threading.Thread(target=forest.trees, name="forest", daemon=True).start()  # else the first price check waits seconds for it
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


def create() -> FastAPI:
    """The application; it starts nothing before its lifespan begins."""
    application = FastAPIOffline(
        title="Lumbung",
        version=product_version(),
        description="Validated prices, sensor readings and forecasts, each answer with the table versions it comes from.",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    rooms = (
        service, statistics, ingest, events, prices, markets, decisions, quarantine, quality, price_check, blockchain,
        forecasts, predictions, anomalies, models, analytics, sales, short_forms,
    )  # fmt: skip
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
