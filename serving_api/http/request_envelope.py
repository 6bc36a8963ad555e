"""The outermost middleware: request id, security headers, duration, and the restriction to loopback."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conf.settings import LOOPBACK, settings
from serving_api.http import metrics
from serving_api.http.problems import Problem, from_exception, problem_response

log = logging.getLogger("lumbung.api")
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
INLINE = "'self' 'unsafe-inline'"
DOCS_POLICY = (
    f"default-src 'self'; script-src {INLINE}; style-src {INLINE}; img-src 'self' data:; worker-src blob:"
)
PAGE_POLICIES = {"/docs": DOCS_POLICY, "/redoc": DOCS_POLICY}


def request_id_of(headers: Headers) -> str:
    """The caller's X-Request-Id, else the trace id of its traceparent, else a new id."""
    given = headers.get("x-request-id", "")
    if REQUEST_ID.fullmatch(given):
        return given
    trace = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return trace.group(1) if trace else uuid.uuid4().hex


def is_loopback(address: object) -> bool:
    """Whether (host, port) is on this machine; a Unix socket is."""
    return not isinstance(address, tuple | list) or address[0] in LOOPBACK


SENDER_GONE = 499  # in the metrics alone, as nginx counts it: nobody is there who could get a response


class RequestEnvelope:
    """Pure ASGI: a FastAPI middleware would take longer than the response itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        request_id = request_id_of(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        policy = PAGE_POLICIES.get(scope["path"], DATA_POLICY)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Content-Security-Policy", policy)
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        try:
            if is_loopback(scope.get("server")) or settings().api.allow_remote:
                await self._app(scope, receive, send_with_headers)
            else:
                reason = "this service is open on 127.0.0.1 only, unless api.allow_remote is set"
                refusal = problem_response(Problem("forbidden", reason=reason), Request(scope))
                await refusal(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = SENDER_GONE
            log.info("request %s ended: its sender disconnected before its body was complete", request_id)
        except Exception as error:  # the last place that can still return a problem with these headers
            log.exception("request %s failed", request_id)
            if status:
                raise  # the response has begun; the server closes the connection
            failure = problem_response(from_exception(error), Request(scope))
            await failure(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"  # labels are never removed
            seconds = time.perf_counter() - began
            metrics.HTTP_SECONDS.labels(method, route, str(status)).observe(seconds)
            metrics.REQUESTS.add(seconds)
