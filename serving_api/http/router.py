"""Routes as all endpoints have them: bounded bodies, strict JSON, no unknown query parameter."""

from collections.abc import Callable, Coroutine, Iterator
from functools import cached_property
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from conf.settings import settings
from lakehouse.event import Fault, Malformed, parse_strict
from serving_api.http.dependencies import CHECKS
from serving_api.http.problems import Problem, payload_too_large
from serving_api.http.request_checks import (
    JSON_MEDIA_TYPE,
    content_type_of,
    refuse_query_parameters,
    require_acceptable,
)

NOT_JSON = ("payload_json", "payload_utf8")  # such bytes are not JSON: 400; other faults are 422
LARGE_BODY = {"x-large-body": True}  # `openapi_extra` of a route whose body is as large as a batch


async def read_limited(request: Request, limit: int) -> bytes:
    """The body. Raises Problem 413: before reading by Content-Length, else as soon as the limit is passed."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise payload_too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise payload_too_large()
    return bytes(body)


class StrictRequest(Request):
    """A request whose body is bounded and strict JSON. Both methods raise Problem 413, 415, 400 or 422."""

    is_large = False
    _document: Any

    async def body(self) -> bytes:
        """The exact bytes of the JSON document."""
        if not hasattr(self, "_body"):
            knobs = settings().api
            limit = knobs.batch_max_bytes if self.is_large else knobs.event_max_bytes
            raw = await read_limited(self, limit)
            if content_type_of(self) != JSON_MEDIA_TYPE:
                raise Problem("unsupported-media-type", name=JSON_MEDIA_TYPE)
            try:
                self._document = parse_strict(raw)
            except Malformed as error:
                slug = "malformed-body" if error.code in NOT_JSON else "validation"
                raise Problem(slug, [Fault("", error.code, str(error))], reason=str(error)) from None
            self._body = raw
        return self._body

    async def json(self) -> Any:
        """The parsed document."""
        await self.body()
        return self._document


def calls(dependant: Dependant) -> Iterator[Any]:
    """What the dependencies call, each before those that it depends on."""
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from calls(dependency)


def has_query_parameters(dependant: Dependant) -> bool:
    """Whether a function or what it depends on declares a parameter of the query."""
    return bool(dependant.query_params) or any(map(has_query_parameters, dependant.dependencies))


class StrictRoute(APIRoute):
    """A route that reads its body with `StrictRequest`.

    It first refuses a caller that may not call it, then query parameters when it declares none, and a caller
    that does not accept JSON.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()
        has_parameters = has_query_parameters(self.dependant)
        # A list is also a file, and looks at Accept itself.
        fields = getattr(self.response_model, "model_fields", {})
        sends_json = self.response_model is not None and "next_cursor" not in fields
        is_large = LARGE_BODY.items() <= (self.openapi_extra or {}).items()

        checks = [call for call in calls(self.dependant) if call in CHECKS]

        async def answer_strictly(request: Request) -> Response:
            for check in checks:  # FastAPI would read the body of a stranger first
                await check(request)
            if sends_json:
                require_acceptable(request)
            if not has_parameters and self.status_code != 308:
                refuse_query_parameters(request)
            if request.method in ("GET", "HEAD"):
                return await answer(request)
            strict = StrictRequest(request.scope, request.receive)
            strict.is_large = is_large
            return await answer(strict)

        return answer_strictly


class Router(APIRouter):
    """Routes that are compared only with paths that begin as one of theirs.

    FastAPI compares a path with every route of every included router until one matches: with 150 routes that
    was half of the CPU time of a request.
    """

    def __init__(self, *, route_class: type[APIRoute] = StrictRoute, **options: Any) -> None:
        super().__init__(route_class=route_class, **options)

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple({route.path.partition("{")[0] for route in self.routes if isinstance(route, Route)})

    @cached_property
    def _compares_all(self) -> bool:
        """Whether a WebSocket or a mounted application is among the routes."""
        return not all(isinstance(route, Route) for route in self.routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI matches; no route without a comparison where the path begins otherwise."""
        if not (self._compares_all or scope.get("root_path") or scope["path"].startswith(self._beginnings)):
            return Match.NONE, {}
        return super().matches(scope)
