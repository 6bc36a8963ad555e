"""Routes as all endpoints have them: bounded bodies, strict JSON, no unknown query parameter."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

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
from serving_api.schemas.envelope import sent_as_file

NOT_JSON = ("payload_json", "payload_utf8")  # such bytes are not JSON: 400; other faults are 422
CHOSEN = "lumbung.route"  # in the scope
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
        sends_json = self.response_model is not None and not sent_as_file(self.response_model)
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
    """Routes that are strict unless they say otherwise. Generated clients call them by their names."""

    def __init__(self, *, route_class: type[APIRoute] = StrictRoute, **options: Any) -> None:
        name = attrgetter("name")
        super().__init__(route_class=route_class, generate_unique_id_function=name, **options)


class RouteTable(BaseRoute):
    """The routes of several routers: one with a fixed path is found by it, others are compared in order.

    FastAPI compares a path with every route of every included router until one matches, twice: with 150
    routes that was half of the CPU time of a request.
    """

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._all = [route for router in routers for route in router.routes]
        self._fixed: dict[str, list[BaseRoute]] = {}
        self._others: list[tuple[str, BaseRoute]] = []
        for route in self._all:
            beginning, parameter, _ = getattr(route, "path", "").partition("{")
            if isinstance(route, Route) and not parameter:
                self._fixed.setdefault(beginning, []).append(route)
            else:
                self._others.append((beginning, route))

    def _candidates(self, scope: Scope) -> Iterator[BaseRoute]:
        if scope.get("root_path"):  # a proxy may send it as a part of the path
            return iter(self._all)
        path: str = scope["path"]
        others = (route for beginning, route in self._others if path.startswith(beginning))
        return chain(self._fixed.get(path, ()), others)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As Starlette matches: the first route for the path and the method, else the first for the path."""
        partial: tuple[Match, Scope] = Match.NONE, {}
        for route in self._candidates(scope):
            match, inner = route.matches(scope)
            if match is Match.FULL:
                return match, {**inner, CHOSEN: route}
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = match, {**inner, CHOSEN: route}
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the route that matched."""
        await scope.pop(CHOSEN).handle(scope, receive, send)
