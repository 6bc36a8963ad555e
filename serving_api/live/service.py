"""The live service of the application: hub, wheel, clients, and the tasks that keep them going."""

import asyncio
import time
from contextlib import suppress

from starlette.websockets import WebSocket

from conf.settings import settings
from serving_api.http import metrics
from serving_api.http.problems import Problem
from serving_api.live.connection import Connection
from serving_api.live.feed import Feed
from serving_api.live.handshake import checked, refuse
from serving_api.live.hub import Hub, Wheel
from serving_api.live.sessions import Sessions

REAP_SECONDS = 1.0


class Live:
    """One per application, in the event loop that serves the sockets."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.feed = Feed(self.hub, asyncio.get_running_loop())
        self._wheel = Wheel(self.hub)
        self._sessions = Sessions()
        self._clients: set[Connection] = set()
        self._tasks = [asyncio.create_task(self._wheel.turn()), asyncio.create_task(self._reap())]

    async def close(self) -> None:
        """End the tasks."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def serve(self, socket: WebSocket, channel: str) -> None:
        """Serve one client, subscribed to a channel; a refused one gets a problem instead."""
        try:
            if len(self._clients) >= settings().api.max_websockets:
                raise Problem("too-many-sockets")
            chosen = checked(socket)
            connection = Connection(socket, self.hub, self._wheel, self._sessions)
            connection.subscribe(channel, chosen)
        except Problem as problem:
            await refuse(socket, problem)
            return
        await socket.accept()
        self._clients.add(connection)
        metrics.SOCKETS.set(len(self._clients))
        try:
            await connection.run()
        finally:
            self._clients.discard(connection)
            metrics.SOCKETS.set(len(self._clients))

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_SECONDS)
            now = time.monotonic()
            for connection in list(self._clients):
                connection.close_if_unread(now)
            self.hub.drop_old_alerts()
            self._wheel.wake_all()
