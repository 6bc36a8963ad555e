"""Further ports of the application, each with a part of its routes: one for AI, one for administration.

A firewall can then open one part to a network without the others. Rights are checked on every port.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from conf.settings import settings
from serving_api.http.problems import from_http_exception, problem_response

EVERYWHERE = ("/health", "/readyz")


def parts() -> dict[int, tuple[str, ...]]:
    """Port -> beginnings of the paths that it answers besides EVERYWHERE; api.port answers all."""
    knobs = settings().api
    return {knobs.ai_port: ("/api/v1/ai/", "/api/v1/lab/"), knobs.admin_port: ("/api/v1/admin/",)}


class SplitPorts:
    """Pure ASGI: answers 404 where the port of the connection does not serve the path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._parts = parts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = scope.get("server")
        beginnings = self._parts.get(server[1]) if server else None
        if beginnings is None or scope["path"] in EVERYWHERE or scope["path"].startswith(beginnings):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            request = Request(scope)
            problem = from_http_exception(HTTPException(404), request)
            await problem_response(problem, request)(scope, receive, send)
