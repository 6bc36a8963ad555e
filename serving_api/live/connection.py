"""One WebSocket: hello, what the client asks for, what changed, heartbeats, and its end."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import orjson
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from lakehouse.identity.roles import Principal
from lakehouse.translation import Language
from serving_api.http import metrics
from serving_api.http.messages import message
from serving_api.http.problems import Problem, language_of
from serving_api.live.handshake import filter_of, problem_data
from serving_api.live.hub import (
    NO_FILTER,
    OWN_ROWS,
    PACE_SECONDS,
    REPLACED,
    RESUME_SECONDS,
    ROWS_PER_FRAME,
    Changes,
    Filter,
    Hub,
    Wheel,
)
from serving_api.live.messages import (
    CLIENT_MESSAGE,
    SYSTEM,
    Authenticate,
    ClientMessage,
    FilterBody,
    Resume,
    Subscribe,
    Unsubscribe,
    envelope,
)
from serving_api.live.private import PUBLIC, PrivateChannels, channels_of, require_right

MESSAGE_TYPES = {
    "account": "account",
    "notifications": "notification",
    "signals": "signal",
    "house_trades": "trade",
    "trades": "trade",
}
HEARTBEAT_SECONDS = 20
MESSAGES_PER_SECOND = 20
UNREAD_SECONDS = 15.0
CLOSE_SECONDS = 2.0
TOO_MANY_MESSAGES = 1008
TRY_AGAIN_LATER = 1013
RIGHTS_ENDED = 4401
SEQS_KEPT = 64  # newest messages of a channel; more cannot be on their way to a client
MOST_SESSIONS = 10_000


@dataclass
class Subscription:
    """A channel that a client gets: up to which version it was sent, and the version of recent messages."""

    chosen: Filter = NO_FILTER
    batch: bool = False
    version: int = 0
    seq: int = 0
    sent: deque[int] = field(default_factory=lambda: deque(maxlen=SEQS_KEPT))

    def advance(self, version: int) -> int:
        """The number of the message that brings the client to a version."""
        self.seq += 1
        self.version = version
        self.sent.append(version)
        return self.seq

    def version_at(self, seq: int) -> int | None:
        """The version of a recent message; None when it is too long ago or was never sent."""
        back = self.seq - seq
        if back < 0 or back >= len(self.sent):
            return None
        return self.sent[-1 - back]


@dataclass
class Session:
    """The subscriptions of one connection."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    channels: dict[str, Subscription] = field(default_factory=dict)
    ended_at: float | None = None


class Sessions:
    """Sessions that are open or ended less than 300 s ago; at most 10,000, the oldest go first."""

    def __init__(self) -> None:
        self._known: dict[str, Session] = {}

    def open(self) -> Session:
        """A new session."""
        self._forget_old()
        session = Session()
        self._known[session.name] = session
        return session

    def end(self, session: Session) -> None:
        """Note that its connection is closed; it stays known for 300 s."""
        session.ended_at = time.monotonic()

    def version_of(self, name: str | None, channel: str, seq: int) -> int | None:
        """The version that a connection had with a message; None when that is not known any more."""
        session = self._known.get(name or "")
        if session is None or self._is_old(session) or channel not in session.channels:
            return None
        return session.channels[channel].version_at(seq)

    @staticmethod
    def _is_old(session: Session) -> bool:
        return session.ended_at is not None and time.monotonic() - session.ended_at > RESUME_SECONDS

    def _forget_old(self) -> None:
        for name, session in list(self._known.items()):
            if self._is_old(session) or len(self._known) > MOST_SESSIONS:
                del self._known[name]


def request_of(body: str | bytes) -> ClientMessage | Problem:
    """The message of a client, or the problem with it."""
    try:
        return CLIENT_MESSAGE.validate_python(orjson.loads(body))
    except orjson.JSONDecodeError:
        return Problem("malformed-body", reason=message("socket_json"))
    except ValidationError as error:
        field = "/".join(str(part) for part in error.errors()[0]["loc"])
        return Problem("validation", reason=message("socket_message", field=field[:60]))


class Connection:
    """One client. Only the task that sends writes to the socket."""

    def __init__(
        self, socket: WebSocket, hub: Hub, wheel: Wheel, sessions: Sessions, private: PrivateChannels
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._private = private
        self.caller: Principal | None = None  # since it has sent a ticket
        self._wheel = wheel
        self._sessions = sessions
        self._session: Session = sessions.open()
        self._language: Language = language_of(socket)
        self._requests: deque[ClientMessage | Problem] = deque()
        self._system_seq = -1
        self._heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
        self.sending_since: float | None = None
        self._ended = asyncio.Event()
        self._close_code = TRY_AGAIN_LATER

    def subscribe(self, channel: str, body: FilterBody, batch: bool = False) -> None:
        """Send the channel from now on. Raises Problem 404 for an unknown name, 401 or 403 without right."""
        require_right(channel, self.caller)
        known = self._session.channels.get(channel, Subscription())
        known.chosen = filter_of(body)
        known.batch = batch
        if channel not in self._session.channels:
            known.version = self._hub.version
        self._session.channels[channel] = known

    async def run(self) -> None:
        """Serve until the client goes, misbehaves, or does not keep up."""
        hello = {
            "channels": list(PUBLIC),
            "heartbeat_seconds": HEARTBEAT_SECONDS,
            "resume_seconds": RESUME_SECONDS,
            "session": self._session.name,
        }
        await self._send_system("hello", hello)
        wake, slot = self._wheel.join()
        tasks = [
            asyncio.create_task(self._send_changes(wake)),
            asyncio.create_task(self._listen(wake)),
            asyncio.create_task(self._ended.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            slot.discard(wake)
            self._sessions.end(self._session)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if tasks[2] in done:
            await self._close(self._close_code)
        elif tasks[1] in done and tasks[1].exception() is None:
            await self._close(TOO_MANY_MESSAGES)
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, WebSocketDisconnect):
                raise error

    def follows(self, channels: Collection[str]) -> bool:
        """Whether the client gets one of these channels."""
        return not self._session.channels.keys().isdisjoint(channels)

    def close_if_unread(self, now: float) -> None:
        """End the connection when the socket has taken nothing for 15 s."""
        if self.sending_since is not None and now - self.sending_since > UNREAD_SECONDS:
            metrics.SOCKETS_DROPPED.inc()
            self.end(TRY_AGAIN_LATER)

    def end(self, code: int) -> None:
        """Close the connection with a code."""
        self._close_code = code
        self._ended.set()

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            return  # a client that reads nothing gets no close frame either: the server ends the connection

    async def _listen(self, wake: asyncio.Event) -> None:
        """Read what the client asks for; returns when it sends too much."""
        recent: deque[float] = deque(maxlen=MESSAGES_PER_SECOND)
        while True:
            received = await self._socket.receive()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received.get("code", 1000))
            now = time.monotonic()
            if len(recent) == MESSAGES_PER_SECOND and now - recent[0] < 1.0:
                return
            recent.append(now)
            self._requests.append(request_of(received.get("text") or received.get("bytes") or b""))
            wake.set()

    async def _handle(self, request: ClientMessage | Problem) -> None:
        """Carry out one message of the client, or report why not."""
        try:
            match request:
                case Subscribe():
                    self.subscribe(request.channel, request.filter, request.batch)
                case Unsubscribe():
                    self._session.channels.pop(request.channel, None)
                case Resume():
                    await self._resume(request)
                case Authenticate():
                    await self._authenticate(request.ticket)
                case Problem():
                    raise request
        except Problem as problem:
            await self._send_system("error", problem_data(problem, self._socket))

    async def _authenticate(self, ticket: str) -> None:
        """Take the caller of a ticket; private channels of another one end."""
        caller = await self._private.redeem(ticket)
        if self.caller not in (None, caller):
            public = {name: known for name, known in self._session.channels.items() if name in PUBLIC}
            self._session.channels = public
        self.caller = caller
        await self._send_system("authenticated", {"channels": channels_of(caller)})

    async def _resume(self, request: Resume) -> None:
        """Go on from where another connection was, else from the beginning after a `reset`."""
        require_right(request.channel, self.caller)
        known = self._session.channels.setdefault(request.channel, Subscription())
        version = self._sessions.version_of(request.session, request.channel, request.last_seq)
        if version is not None and self._hub.keeps_since(version, request.channel):
            known.version = version
        else:
            await self._reset(request.channel, known)

    async def _reset(self, channel: str, known: Subscription) -> None:
        """Begin a channel again: the client lacks changes that are not kept any more."""
        known.version = 0
        await self._send_system("reset", {"channel": channel})

    async def _send_changes(self, wake: asyncio.Event) -> None:
        """Send replies, changes and heartbeats, whenever this client is woken."""
        while True:
            await wake.wait()
            wake.clear()
            while self._requests:
                await self._handle(self._requests.popleft())
            for channel, known in list(self._session.channels.items()):
                if known.version != self._hub.version and not await self._send_channel(channel, known):
                    asyncio.get_running_loop().call_later(PACE_SECONDS, wake.set)
            if time.monotonic() >= self._heartbeat_at:
                await self._send_system("heartbeat", {})

    async def _send_channel(self, channel: str, known: Subscription) -> bool:
        """Whether all changes were sent; else the rest follows, or is replaced until then."""
        if known.version and not self._hub.keeps_since(known.version, channel):
            await self._reset(channel, known)
        newest = self._hub.version
        if channel == "prices":
            if not await self._send_prices(known, self._hub.prices_since(known.version, known.chosen)):
                return False
        elif channel in REPLACED:
            await self._send_rows(channel, channel, known, self._hub.newest_since(channel, known.version))
        elif channel in MESSAGE_TYPES:
            owner = self.caller.subject if self.caller and channel in OWN_ROWS else None
            rows = self._hub.rows_since(channel, known.version, owner)
            await self._send_rows(MESSAGE_TYPES[channel], channel, known, rows)
        else:
            kind = "quarantine" if channel == "quarantine" else "alert"
            may_see = self.caller.covers if self.caller and channel not in PUBLIC else None
            changes = self._hub.alerts_since(known.version, known.chosen, self._language, channel, may_see)
            await self._send_rows(kind, channel, known, changes)
        known.version = newest
        return True

    async def _send_prices(self, known: Subscription, changes: Changes) -> bool:
        """Whether all of them were sent."""
        if known.batch:
            rows = changes[:ROWS_PER_FRAME]
            if rows:
                body = b"[" + b",".join(row for _, row in rows) + b"]"
                await self._send("price_updates", "prices", known.advance(rows[-1][0]), body)
            return len(rows) == len(changes)
        rows = changes[: self._wheel.frames_a_turn()]
        await self._send_rows("price_update", "prices", known, rows)
        return len(rows) == len(changes)

    async def _send_rows(
        self, kind: str, channel: str, known: Subscription, rows: Iterable[tuple[int, bytes]]
    ) -> None:
        for version, row in rows:
            await self._send(kind, channel, known.advance(version), row)

    async def _send_system(self, kind: str, data: Mapping[str, object]) -> None:
        self._system_seq += 1
        self._heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
        await self._send(kind, SYSTEM, self._system_seq, orjson.dumps(data))

    async def _send(self, kind: str, channel: str, seq: int, data: bytes) -> None:
        self.sending_since = time.monotonic()
        await self._socket.send_text(envelope(kind, channel, seq, data))
        self.sending_since = None
