"""Bounds on connections: their number, how long a request takes to arrive, and how long its headers are."""

import asyncio
import logging
import socket
import sys
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from conf.settings import settings

log = logging.getLogger("lumbung.api")
SOCKET_LOG = logging.getLogger("lumbung.api.sockets")
SOCKET_LOG.setLevel(logging.WARNING)  # uvicorn would log addresses with their query, a refused token too
SEND_BUFFER_BYTES = 32_768  # of a WebSocket: with the default one that reads nothing is noticed after minutes
HEADERS_MAX_BYTES = 65_536  # of a request's target and headers, also of trailers and between parts of a body
REFUSED = b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TIMED_OUT = REFUSED % b"408 Request Timeout"
TOO_LARGE = REFUSED % b"431 Request Header Fields Too Large"


class HeadersTooLargeError(Exception):
    """The target and the headers of a request have more than `HEADERS_MAX_BYTES`."""


class BoundedConnection(HttpToolsProtocol):
    """A connection whose requests must arrive in time, with bounded headers; uvicorn bounds neither.

    When there are `api.max_connections`, a new one ends the one that has waited for a request for longest.
    """

    _arriving: asyncio.TimerHandle | None = None
    _waiting_since = 0.0
    _open_bytes = 0  # read since a request began, its headers ended, or a part of its body arrived

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= settings().api.max_connections and not self._end_longest_waiting():
            log.warning("refused a connection: %d are busy (api.max_connections)", len(self.connections))
            transport.abort()
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; the parser keeps an unfinished header in memory, without a bound."""
        self._open_bytes += len(data)
        super().data_received(data)
        if self._open_bytes > HEADERS_MAX_BYTES:
            self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        self._open_bytes = 0
        if self._arriving is None:
            self._expect_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request. Raises HeadersTooLargeError, which becomes `send_400_response`."""
        self._open_bytes = 0
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEADERS_MAX_BYTES:
            raise HeadersTooLargeError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._open_bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        if error is not None and isinstance(error.__context__, HeadersTooLargeError):
            self._refuse(TOO_LARGE)
        else:
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        self._request_arrived()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._waiting_since = self.loop.time()
        super().on_response_complete()

    @property
    def _is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_request(self) -> None:
        seconds = settings().api.request_seconds
        self._arriving = self.loop.call_later(seconds, self._time_out)

    def _request_arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _time_out(self) -> None:
        self._arriving = None
        self._refuse(TIMED_OUT)

    def _refuse(self, response: bytes) -> None:
        """End the connection; what it answers would garble a response that is being sent."""
        if self._is_waiting:
            self.transport.write(response)
        self.transport.close()

    def _end_longest_waiting(self) -> bool:
        waiting: list[Any] = [other for other in self.connections if getattr(other, "_is_waiting", False)]
        if not waiting:
            return False
        longest = min(waiting, key=lambda other: other._waiting_since)
        self.connections.discard(longest)
        longest.transport.abort()
        return True


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose unsent messages are few, so that a client that reads nothing is soon noticed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        own: socket.socket = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.logger = SOCKET_LOG
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(SEND_BUFFER_BYTES)

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a refusal ends the handshake, which uvicorn would report as an error of the application."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
