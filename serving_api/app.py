"""The application: every module of routes and listings that has a `router`, behind the middlewares."""

import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from conf.settings import settings
from serving_api import listings, pages, routes
from serving_api.http.callers import Callers
from serving_api.http.idempotency import Idempotency
from serving_api.http.openapi import describe
from serving_api.http.problems import Problem, from_http_exception, from_validation_errors, problem_response
from serving_api.http.request_envelope import RequestEnvelope
from serving_api.http.router import RouteTable
from serving_api.http.split_ports import SplitPorts
from serving_api.http.spreadsheets import MEDIA_TYPES
from serving_api.reads.operation.health import VERSION
from serving_api.services import open_services

COMPRESSED_BYTES = 1024  # a smaller response is sent as it is
COMPRESSION = 5  # 0.25 MB of figures in 4 ms; level 9 takes 15 ms for 4 % less
EXPOSED_HEADERS = [
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
]


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Open what requests share, and close it at the end."""
    async with open_services() as application.state.shared:
        yield


async def handle_error(request: Request, error: Exception) -> Response:
    """Errors of routes, of FastAPI and of pydantic become problems; RequestEnvelope handles all others."""
    if isinstance(error, Problem):
        return problem_response(error, request)
    if isinstance(error, HTTPException):
        if error.status_code == 404 and (page := pages.get_not_found(request)) is not None:
            return page
        return problem_response(from_http_exception(error, request), request)
    if isinstance(error, RequestValidationError):
        return problem_response(from_validation_errors(error.errors()), request)
    raise error


def routers() -> list[APIRouter]:
    """The `router` of every module of routes and listings that has one."""
    names = (
        module.name
        for package in (listings, routes)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    )
    modules = [import_module(name) for name in names]
    return [module.router for module in modules if hasattr(module, "router")]


def create() -> FastAPI:
    """The application; it opens nothing before its lifespan begins."""
    application = FastAPIOffline(
        title="Lumbung",
        version=VERSION,
        description="Validated prices, sensor readings and forecasts, each with its table versions.",
        lifespan=lifespan,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    collected = routers()
    application.router.routes.insert(0, RouteTable((*collected, pages.router)))
    for error in (Problem, HTTPException, RequestValidationError):
        application.add_exception_handler(error, handle_error)
    application.openapi = lambda: describe(application, collected)  # type: ignore[method-assign]
    application.add_middleware(Idempotency)
    application.add_middleware(  # a kept response is sent again to a caller that may accept another coding
        GZipMiddleware,
        minimum_size=COMPRESSED_BYTES,
        compresslevel=COMPRESSION,
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, MEDIA_TYPES["xlsx"]),
    )
    application.add_middleware(Callers)
    if origins := settings().api.cors_origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    if settings().api.split_ports:
        application.add_middleware(SplitPorts)
    application.add_middleware(RequestEnvelope)
    return application


app = create()
