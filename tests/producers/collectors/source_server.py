"""A local HTTP server that answers as a source does, also when it misbehaves."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson


@dataclass
class Reply:
    """One answer. `sent_bytes`: of the body, before the connection is closed; None: all.

    `after`: it is not sent before this event.
    """

    body: Any = None  # bytes, or what becomes JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent_bytes: int | None = None
    after: threading.Event | None = None

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class SourceServer:
    """`answer` gives the usual reply to a request; replies in `faults` are given before, one a request."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.faults: list[Reply] = []
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                source._reply(self)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        with self._lock:
            self.requests.append(request)
            reply = self.faults.pop(0) if self.faults else self.answer(request)
        if reply.after:
            reply.after.wait()
        handler.send_response_only(reply.status)
        for name, value in {"Date": handler.date_time_string(), **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.content)))
        handler.end_headers()
        handler.wfile.write(reply.content[: reply.sent_bytes])
        handler.close_connection = reply.sent_bytes is not None

    @contextmanager
    def running(self) -> Iterator["SourceServer"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
