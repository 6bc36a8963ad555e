"""Deliveries of alerts, a table in SQLite: one row per message, channel and recipient, with its state.

queued -> sending -> sent, or again queued after a failure that may pass. What a process was sending when it
was killed, or has been sending for too long, is sent again: at least once. mock: no token, so the message was
only logged. failed: refused for good. set_aside: its web hook failed too often.
summed: the first message to its recipient is about it among others.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conf.settings import settings
from lakehouse.alerts.personal import CODE_LEVEL

DeliveryState = Literal["queued", "sending", "sent", "mock", "failed", "set_aside", "summed"]
SCHEMA = """
create table if not exists deliveries (
  delivery_id text primary key, alert_id text not null, stage text not null, channel text not null,
  recipient text not null, level text not null, subject text not null, body text not null,
  is_urgent integer not null,
  state text not null, attempts integer not null default 0, due_at real not null, created_at real not null,
  settled_at real, message_id text, reason text
) without rowid;
create index if not exists waiting on deliveries (state, due_at);
create table if not exists set_aside (recipient text primary key, at real not null, reason text not null);
"""
KEPT_SECONDS = 30 * 86400  # settled deliveries are kept for a month: longer than alerts are news
GIVEN = "delivery_id, alert_id, stage, channel, recipient, level, subject, body, is_urgent"


@dataclass(frozen=True)
class Delivery:
    """One message to one recipient. `recipient` is a fingerprint: addresses and URLs are not stored."""

    delivery_id: str
    alert_id: str
    stage: str
    channel: str
    recipient: str
    level: str
    subject: str
    body: str
    is_urgent: bool  # it is sent in quiet hours too
    attempts: int = 0


def deliveries_file() -> Path:
    """The file of this home."""
    return settings().state_dir / "alert_deliveries.sqlite"


class Deliveries:
    """The table, written by one process. Times are seconds since 1970."""

    def __init__(self) -> None:
        file = deliveries_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def recover(self) -> int:
        """Queue again what a killed process was sending; returns how many."""
        return self._db.execute(
            "update deliveries set state = 'queued', due_at = created_at where state = 'sending'"
        ).rowcount

    def add(self, deliveries: Iterable[Delivery], now: float, summed: Iterable[Delivery] = ()) -> int:
        """Queue those that are not known yet; returns how many. `summed`: they are part of the others."""
        added = 0
        with self._db:  # all or none: a digest and what it is about
            self._db.execute("begin immediate")
            for state, settled_at, group in (("queued", None, deliveries), ("summed", now, summed)):
                for new in group:
                    given = (getattr(new, name) for name in GIVEN.split(", "))
                    rows = self._db.execute(
                        f"insert or ignore into deliveries ({GIVEN}, state, settled_at, due_at, created_at) "
                        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (*given, state, settled_at, now, now),
                    )
                    added += rows.rowcount if state == "queued" else 0
        return added

    def is_known(self, channel: str, recipient: str) -> bool:
        """Whether a message was queued for the recipient within a month; codes do not count."""
        query = "select 1 from deliveries where channel = ? and recipient = ? and level <> ? limit 1"
        return self._db.execute(query, (channel, recipient, CODE_LEVEL)).fetchone() is not None

    def due(self, now: float) -> list[Delivery]:
        """Deliveries that are queued, or lost while being sent, and whose time has come; oldest first."""
        rows = self._db.execute(
            f"select {GIVEN}, attempts from deliveries where state in ('queued', 'sending') and due_at <= ? "
            "order by created_at, delivery_id limit 500",
            (now,),
        )
        return [Delivery(*row) for row in rows]

    def begin(self, delivery: Delivery, lost_at: float) -> None:
        """Note that it is being sent, before it is, and when it is due again without an outcome."""
        self._update(delivery, state="sending", attempts=delivery.attempts + 1, due_at=lost_at)

    def put_off(self, delivery: Delivery, due_at: float, reason: str) -> None:
        """Queue it for later."""
        self._update(delivery, state="queued", due_at=due_at, reason=reason)

    def settle(
        self, delivery: Delivery, state: DeliveryState, now: float, message_id: str = "", reason: str = ""
    ) -> None:
        """Note its outcome. `message_id`: what the channel calls it."""
        outcome = {"message_id": message_id or None, "reason": reason or None}
        self._update(delivery, state=state, settled_at=now, **outcome)

    def _update(self, delivery: Delivery, **values: str | float | None) -> None:
        changes = ", ".join(f"{name} = :{name}" for name in values)
        self._db.execute(
            f"update deliveries set {changes} where delivery_id = :delivery_id",
            values | {"delivery_id": delivery.delivery_id},
        )

    def failures_in_a_row(self, recipient: str) -> int:
        """Failed attempts of a recipient since the last message that it got."""
        (count,) = self._db.execute(
            "select coalesce(sum(attempts), 0) from deliveries where recipient = ?1 and state <> 'sent' "
            "and created_at > coalesce((select max(created_at) from deliveries "
            "where recipient = ?1 and state = 'sent'), 0)",
            (recipient,),
        ).fetchone()
        return int(count)

    def set_aside(self, recipient: str, now: float, reason: str) -> None:
        """Send nothing more to the recipient; what waits for it is settled."""
        self._db.execute("insert or ignore into set_aside values (?, ?, ?)", (recipient, now, reason))
        self._db.execute(
            "update deliveries set state = 'set_aside', settled_at = ? "
            "where recipient = ? and state in ('queued', 'sending')",
            (now, recipient),
        )

    def is_set_aside(self, recipient: str) -> bool:
        """Whether nothing is sent to the recipient any more."""
        query = "select 1 from set_aside where recipient = ?"
        return self._db.execute(query, (recipient,)).fetchone() is not None

    def forget_old(self, now: float) -> None:
        """Remove deliveries that were settled a month ago."""
        self._db.execute("delete from deliveries where settled_at < ?", (now - KEPT_SECONDS,))

    def counts(self) -> dict[str, dict[str, int]]:
        """Channel -> state -> number of deliveries."""
        rows = self._db.execute("select channel, state, count(*) from deliveries group by channel, state")
        numbers: dict[str, dict[str, int]] = {}
        for channel, state, number in rows:
            numbers.setdefault(channel, {})[state] = number
        return numbers
