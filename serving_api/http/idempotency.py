"""`Idempotency-Key` on any POST: a repeated request gets its first response, another request gets 409."""

import asyncio
import hashlib
import logging
import re
import sqlite3
from collections import deque
from weakref import WeakValueDictionary

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conf.settings import settings
from lakehouse.identity.roles import Principal
from serving_api.http.callers import CALLER, address_of
from serving_api.http.idempotency_store import KeptResponse, KeptResponses
from serving_api.http.problems import Problem, invalid, problem_response

log = logging.getLogger("lumbung.api")
KEY = re.compile(r"[\x21-\x7e]{1,128}")
RETRYABLE = {401, 403, 429, 503}  # about the caller, or "send it again": the key stays unused
IN_PROGRESS = "belongs to a request that another process is carrying out: send it again later"
# Their responses hold secrets, which are stored nowhere.
NOT_KEPT = (
    "/api/auth/",
    "/api/public/device/",
    "/api/v1/auth/",
    "/api/v1/devices/",
    "/api/v1/users/",
    "/api/v1/ws/",
)
OTHER_REQUEST = "was used for another request within the last day"


def caller_of(scope: Scope) -> str:
    """A digest that identifies a known caller, whatever its token; any other one by its address."""
    caller = scope["state"][CALLER]
    known = isinstance(caller, Principal)
    identity = f"{caller.role.label} {caller.subject}" if known else f"anonymous {address_of(scope)}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def identity_of(request: Request) -> str | None:
    """What identifies the request and its repetitions: caller and Idempotency-Key; None without a key."""
    key = request.headers.get("idempotency-key")
    return None if key is None else f"{caller_of(request.scope)} {key}"


class CapturedResponse:
    """A response that is held back until it is stored."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    async def __call__(self, message: Message) -> None:
        """The ASGI `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(Headers(raw=message["headers"]))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


class Idempotency:
    """ASGI middleware inside RequestEnvelope.

    Requests with the same key wait for each other within this process; between processes the later one gets
    409. A request that was interrupted is carried out again when it is repeated. Anonymous callers have no
    keys: callers behind one address would share them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = (
            Headers(scope=scope).get("idempotency-key")
            if scope["type"] == "http" and scope["method"] == "POST"
            else None
        )
        if key is None:
            await self._app(scope, receive, send)
            return
        if not KEY.fullmatch(key):
            problem = invalid(
                "/Idempotency-Key", "key_format", "an Idempotency-Key has 1 to 128 visible ASCII characters"
            )
            await problem_response(problem, Request(scope))(scope, receive, send)
            return
        if not isinstance(scope["state"][CALLER], Principal) or scope["path"].startswith(NOT_KEPT):
            await self._app(scope, receive, send)
            return
        body, complete, replay = await read_body(receive)
        if not complete:  # larger than any body may be: it will be refused with 413
            await self._app(scope, replay, send)
            return
        caller = caller_of(scope)
        lock = self._locks.setdefault((caller, key), asyncio.Lock())
        async with lock:
            await self._once(scope, replay, send, (caller, key), digest_of(scope, body))

    async def _once(
        self, scope: Scope, receive: Receive, send: Send, reservation: tuple[str, str], digest: bytes
    ) -> None:
        store: KeptResponses = scope["app"].state.shared[KeptResponses]
        kept = store.reserve(*reservation, digest)
        if kept is not None:
            await repeated(kept, digest, scope)(scope, receive, send)
            return
        captured = CapturedResponse()
        try:
            await self._app(scope, receive, captured)
        except BaseException:
            store.release(*reservation)
            raise
        try:
            if captured.status in RETRYABLE:
                store.release(*reservation)
            else:
                store.keep(*reservation, captured.status, captured.headers, bytes(captured.body))
        except sqlite3.Error:  # the request has been carried out, so its response is sent all the same
            log.exception("a response under an Idempotency-Key was not stored")
        response = Response(bytes(captured.body), captured.status, captured.headers)
        await response(scope, receive, send)


def repeated(kept: KeptResponse, digest: bytes, scope: Scope) -> Response:
    """The first response, or 409."""
    if kept.request != digest:
        return problem_response(Problem("idempotency-conflict", reason=OTHER_REQUEST), Request(scope))
    if kept.response is None:
        return problem_response(Problem("idempotency-conflict", reason=IN_PROGRESS), Request(scope))
    status, headers, body = kept.response
    return Response(body, status, headers | {"idempotency-replayed": "true"})


def digest_of(scope: Scope, body: bytes) -> bytes:
    """Digest of what makes two requests equal: address, query, content type and body."""
    content_type = Headers(scope=scope).get("content-type", "")
    head = "\0".join((scope["path"], scope["query_string"].decode("latin-1"), content_type)).encode()
    return hashlib.sha256(head + b"\0" + body).digest()


async def read_body(receive: Receive) -> tuple[bytes, bool, Receive]:
    """(the body as far as it was read, whether that is all of it, a `receive` that delivers it again)."""
    limit = settings().api.batch_max_bytes
    messages: deque[Message] = deque()
    body = bytearray()
    more = True
    while more and len(body) <= limit:
        message = await receive()
        messages.append(message)
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)

    async def replay() -> Message:
        return messages.popleft() if messages else await receive()

    complete = not more and all(message["type"] == "http.request" for message in messages)
    return bytes(body), complete, replay
