"""The live service of the application: hub, wheel, clients, and the tasks that keep them going."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from starlette.websockets import WebSocket

from conf.runtime.endless import keep_running
from conf.settings import settings
from lakehouse.io.identity.database import Database, StoreUnavailable
from serving_api.http import metrics
from serving_api.http.auth import Authenticator
from serving_api.http.callers import address_of, refuse_excess
from serving_api.http.problems import Problem
from serving_api.http.rate_limits import RateLimits, limits_of
from serving_api.http.tickets import Tickets
from serving_api.live.connection import RIGHTS_ENDED, TRY_AGAIN_LATER, Connection, Sessions
from serving_api.live.feed import Feed
from serving_api.live.handshake import checked, refuse
from serving_api.live.hub import TRADING, Hub, Wheel
from serving_api.live.private import PrivateChannels
from serving_api.live.quarantine import QuarantineFeed
from serving_api.live.trading import TradingFeed
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.trading.signals import NewestSignals

REAP_SECONDS = 1.0
RIGHTS_SECONDS = 1.0  # so that a connection ends within 2 s of a sign-out, revocation or other role


class Live:
    """One per application, in the event loop that serves the sockets."""

    def __init__(
        self, authenticator: Authenticator, tickets: Tickets, database: Database, limits: RateLimits
    ) -> None:
        self.hub = Hub()
        self._limits = limits
        self._private = PrivateChannels(self.hub, authenticator, tickets, database)
        self.feed = Feed(self.hub, asyncio.get_running_loop())
        self.quarantine = QuarantineFeed(self.hub, asyncio.get_running_loop())
        self.trading: TradingFeed  # from follow_trading on
        self._wheel = Wheel(self.hub)
        self._sessions = Sessions()
        self._clients: set[Connection] = set()
        self._addresses: Counter[str] = Counter()  # of the clients
        self._tasks: list[asyncio.Task[None]] = []
        self._keep_running("live_wheel", self._wheel.turn)
        self._keep_running("live_reaper", self._reap)
        self._keep_running("live_rights", self._watch_rights)

    def _keep_running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(keep_running(name, work)))

    async def close(self) -> None:
        """End the tasks."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def follow_trading(self, snapshots: Snapshots, signals: NewestSignals) -> None:
        """Send the news of these tables from now on, while a client gets one of their channels."""
        self.trading = TradingFeed(self.hub, snapshots, signals)
        self._keep_running("live_trading", partial(self.trading.send_timed, self._is_followed))

    def _is_followed(self) -> bool:
        return any(client.follows(TRADING) for client in self._clients)

    async def serve(self, socket: WebSocket, *channels: str) -> None:
        """Serve one client, subscribed to channels; a refused one gets a problem instead."""
        address = address_of(socket.scope)
        try:
            self._require_place(socket, address)
            chosen = checked(socket)
            connection = Connection(socket, self.hub, self._wheel, self._sessions, self._private)
            for channel in channels:
                connection.subscribe(channel, chosen)
        except Problem as problem:
            await refuse(socket, problem)
            return
        self._clients.add(connection)  # before the handshake: during it others ask for the same place
        self._addresses[address] += 1
        metrics.SOCKETS.set(len(self._clients))
        try:
            await socket.accept()
            await connection.run()
        finally:
            self._clients.discard(connection)
            self._addresses[address] -= 1
            self._addresses += Counter()  # without zeros
            metrics.SOCKETS.set(len(self._clients))

    def _require_place(self, socket: WebSocket, address: str) -> None:
        """Count the handshake as a request. Raises Problem 429 or 503 when the client may not be one more."""
        refuse_excess(self._limits.count(limits_of(socket.url.path, "GET", None, address)))
        if len(self._clients) >= settings().api.max_websockets:
            raise Problem("too-many-sockets")
        knobs = settings().limits
        if knobs.enforced and self._addresses[address] >= knobs.websockets_per_address:
            raise Problem("too-many-own-sockets", most=knobs.websockets_per_address)

    async def _watch_rights(self) -> None:
        """End the connections of people who lost their rights, and send news of accounts, for ever."""
        while True:
            await asyncio.sleep(RIGHTS_SECONDS)
            signed_in = [connection for connection in self._clients if connection.caller]
            ended, is_verified = await self._private.ended({c.caller for c in signed_in if c.caller})
            for connection in signed_in:
                if connection.caller in ended:
                    connection.end(RIGHTS_ENDED)
                elif not is_verified:
                    connection.end(TRY_AGAIN_LATER)
            with suppress(StoreUnavailable):  # what happens meanwhile is read when the store is back
                await self._private.read_accounts(is_wanted=bool(signed_in))

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_SECONDS)
            now = time.monotonic()
            for connection in list(self._clients):
                connection.close_if_unread(now)
            self.hub.drop_old_alerts()
            self._wheel.wake_all()
