"""Around every request: its id, security headers, the clock, and the rule that this door is open on loopback only."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conf.settings import LOOPBACK, settings
from serving_api import metrics
from serving_api.problems import Problem, written

log = logging.getLogger("lumbung.api")
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
CLOSED = "default-src 'none'; frame-ancestors 'none'"
INLINE = "'self' 'unsafe-inline'"
PAGES = f"default-src 'self'; script-src {INLINE}; style-src {INLINE}; img-src 'self' data:; worker-src blob:"


def request_id(headers: Headers) -> str:
    """The caller's X-Request-Id, else the trace id of its traceparent, else a new one."""
    own = headers.get("x-request-id", "")
    if REQUEST_ID.fullmatch(own):
        return own
    trace = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return trace.group(1) if trace else uuid.uuid4().hex


def is_loopback(address: object) -> bool:
    """Whether (host, port) is this machine talking to itself; a Unix socket or a test client is."""
    return not isinstance(address, (tuple, list)) or address[0] in (*LOOPBACK, "testserver", "testclient")


class Envelope:
    """Pure ASGI: a framework middleware would cost more than the answer itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        own = request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = own
        policy = PAGES if scope["path"] in ("/docs", "/redoc") else CLOSED

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["X-Request-Id"] = own
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Content-Security-Policy"] = policy
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        try:
            if is_loopback(scope.get("server")) or settings().api.allow_remote:
                await self._app(scope, receive, sending)
            else:
                why = "before people have identities this door is open on 127.0.0.1 only (api.allow_remote)"
                await written(Problem("forbidden", why=why), Request(scope))(scope, receive, sending)
        except Exception:  # the last place that can still answer as the contract says: with a problem and these headers
            log.exception("request %s failed", own)
            if status:
                raise  # the answer has begun; the server closes the connection
            await written(Problem("internal"), Request(scope))(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"  # labels are kept for good
            took = time.perf_counter() - began
            metrics.HTTP_SECONDS.labels(method, route, str(status)).observe(took)
            metrics.REQUESTS.add(took)
