"""Bounds on the connections of a server: how many there are, and how long a request may take to arrive."""

import asyncio
import logging
import socket
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from conf.settings import settings

log = logging.getLogger("lumbung.api")
SOCKET_LOG = logging.getLogger("lumbung.api.sockets")
SOCKET_LOG.setLevel(logging.WARNING)  # uvicorn would log addresses with their query, a refused token too
SEND_BUFFER_BYTES = 32_768  # of a WebSocket: with the default one that reads nothing is noticed after minutes
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedConnection(HttpToolsProtocol):
    """A connection whose requests must arrive in time; uvicorn itself waits for ever for the first one.

    When there are `api.max_connections`, a new one ends the one that has waited for a request for longest.
    """

    _arriving: asyncio.TimerHandle | None = None
    _waiting_since = 0.0

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

    def on_message_begin(self) -> None:
        if self._arriving is None:
            self._expect_request()
        super().on_message_begin()

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
        if self._is_waiting:
            self.transport.write(TIMED_OUT)
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
