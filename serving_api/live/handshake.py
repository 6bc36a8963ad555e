"""Which connections a WebSocket accepts: from this origin, without a token in the address."""

import uuid

import orjson
from starlette.responses import Response
from starlette.websockets import WebSocket

from conf.settings import settings
from serving_api.http.messages import message
from serving_api.http.problems import Problem, language_of, summary_of
from serving_api.http.refresh_cookie import is_own_origin
from serving_api.http.request_envelope import is_loopback
from serving_api.live.hub import Filter
from serving_api.live.messages import FilterBody
from serving_api.reads.names import commodity_ids, region_code

QUERY = ("commodity", "region")


def filter_of(body: FilterBody) -> Filter:
    """Names as ids. Raises Problem 404 for an unknown one."""
    commodities = commodity_ids(body.commodity) if body.commodity else None
    return commodities, region_code(body.region)


def checked(socket: WebSocket) -> FilterBody:
    """The filter in the address.

    Raises Problem 403 for another origin or machine, 400 for any other parameter: a token would be logged on
    its way.
    """
    if not (is_loopback(socket.scope.get("server")) or settings().api.allow_remote):
        raise Problem("forbidden", reason=message("loopback_only"))
    origin = socket.headers.get("origin")
    if origin is not None and not is_own_origin(socket) and origin not in settings().api.cors_origins:
        raise Problem("forbidden", reason=message("foreign_origin"))
    if unknown := sorted(set(socket.query_params) - set(QUERY)):
        raise Problem("socket-parameter", name=unknown[0])
    values = {name: socket.query_params.get(name) for name in QUERY}
    if any(value is not None and not 0 < len(value) <= 100 for value in values.values()):
        raise Problem("socket-parameter", name="commodity, region")
    return FilterBody(**values)


def problem_data(problem: Problem, socket: WebSocket) -> dict[str, object]:
    """A problem as the data of an error message or the body of a refusal."""
    summary = summary_of(problem, language_of(socket))
    return {**summary, "instance": socket.url.path, "trace_id": uuid.uuid4().hex}


async def refuse(socket: WebSocket, problem: Problem) -> None:
    """Answer the handshake with a problem instead of a connection."""
    body = orjson.dumps(problem_data(problem, socket))
    headers = {"X-Content-Type-Options": "nosniff", **problem.headers}
    refusal = Response(body, problem.status, headers, "application/problem+json")
    await socket.send_denial_response(refusal)
