"""`Idempotency-Key` on any POST: the same request again gets its first answer again, another one under the key 409."""

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
from serving_api.kept_answers import Kept, KeptAnswers
from serving_api.problems import Problem, invalid, written

log = logging.getLogger("lumbung.api")
KEY = re.compile(r"[\x21-\x7e]{1,128}")
NOT_DONE = {401, 403, 429, 503}  # about the caller, or "send it again": the key stays free
UNDER_WAY = "names a request whose outcome is not known: it is under way or was cut off; trace its event or use a new key"
OTHER_REQUEST = "was used for another request within the last day"


def caller_of(scope: Scope) -> str:
    """Who asks, without telling the token: anonymous callers go by their address."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    said = headers.get("authorization") or f"anonymous {client[0] if client else ''}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]


class Captured:
    """An answer on its way out, held back until it is kept."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()

    async def __call__(self, message: Message) -> None:
        """As `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def answer_of(status: int, headers: list[tuple[str, str]], body: bytes, more: dict[str, str] | None = None) -> Response:
    """The answer byte for byte, with `more` headers."""
    response = Response(body, status)
    response.raw_headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in [*headers, *(more or {}).items()]
    ]
    return response


class Idempotency:
    """Pure ASGI, inside Envelope. Requests of one key wait for each other here; between processes the later gets 409."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Headers(scope=scope).get("idempotency-key") if scope["type"] == "http" and scope["method"] == "POST" else None
        if key is None:
            await self._app(scope, receive, send)
            return
        if not KEY.fullmatch(key):
            problem = invalid("/Idempotency-Key", "key_format", "an Idempotency-Key has 1 to 128 visible ASCII characters")
            await written(problem, Request(scope))(scope, receive, send)
            return
        body, whole, rest = await taken(receive)
        if not whole:  # larger than any body may be: it will be refused with 413
            await self._app(scope, rest, send)
            return
        caller = caller_of(scope)
        lock = self._locks.setdefault((caller, key), asyncio.Lock())
        async with lock:
            await self._once(scope, rest, send, (caller, key), digest_of(scope, body))

    async def _once(self, scope: Scope, receive: Receive, send: Send, place: tuple[str, str], request: bytes) -> None:
        kept: KeptAnswers = scope["app"].state.kept_answers
        known = kept.reserve(*place, request)
        if known is not None:
            await again(known, request, scope)(scope, receive, send)
            return
        captured = Captured()
        await self._app(scope, receive, captured)  # what fails here may have been done: the key stays without an answer
        try:
            if captured.status in NOT_DONE:
                kept.release(*place)
            else:
                kept.keep(*place, captured.status, captured.headers, bytes(captured.body))
        except sqlite3.Error:  # the request has been carried out, so its answer is given all the same
            log.exception("an answer under an Idempotency-Key was not kept")
        await answer_of(captured.status, captured.headers, bytes(captured.body))(scope, receive, send)


def again(known: Kept, request: bytes, scope: Scope) -> Response:
    """The first answer, or 409."""
    if known.request != request:
        return written(Problem("idempotency-conflict", why=OTHER_REQUEST), Request(scope))
    if known.answer is None:
        return written(Problem("idempotency-conflict", why=UNDER_WAY), Request(scope))
    return answer_of(*known.answer, more={"idempotency-replayed": "true"})


def digest_of(scope: Scope, body: bytes) -> bytes:
    """What makes two requests the same: address, question, type and bytes."""
    kind = Headers(scope=scope).get("content-type", "")
    head = "\0".join((scope["path"], scope["query_string"].decode("latin-1"), kind)).encode()
    return hashlib.sha256(head + b"\0" + body).digest()


async def taken(receive: Receive) -> tuple[bytes, bool, Receive]:
    """(the body as far as it was read, whether that is all, a `receive` that gives it out again)."""
    most = settings().api.batch_max_bytes
    messages: deque[Message] = deque()
    body, more = bytearray(), True
    while more and len(body) <= most:
        message = await receive()
        messages.append(message)
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)

    async def rest() -> Message:
        return messages.popleft() if messages else await receive()

    whole = not more and all(message["type"] == "http.request" for message in messages)
    return bytes(body), whole, rest
