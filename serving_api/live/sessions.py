"""What a client has received, so that its next connection can go on from there."""

import time
import uuid
from collections import deque
from dataclasses import dataclass, field

from serving_api.live.hub import NO_FILTER, RESUME_SECONDS, Filter

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
