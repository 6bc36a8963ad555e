"""Messages to single people: their alerts on symbols, and alerts about the commodities that they follow."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from lakehouse.alerts.notices import Notice, notices
from lakehouse.alerts.personal import (
    PersonalMessage,
    SymbolState,
    code_notice,
    commodity_message,
    digest_ends,
    is_met,
    personal_digest,
    symbol_message,
)
from lakehouse.alerts.weekly_sheet import SHEET_COLUMNS, sheet_week, weekly_sheet
from lakehouse.io.delta import read_columns
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.personal_messages import (
    Reader,
    add_messages,
    due_for_digest,
    forget_old,
    leave_digest,
    new_messages,
    readers,
    settle_alerts,
    symbol_alerts,
    wants,
)
from lakehouse.io.identity.recipients import CODE_VALID, waiting_codes
from lakehouse.io.identity.tables import PersonalRecipient
from lakehouse.io.log_stamps import LogStamps
from lakehouse.translation import Language
from producers.channels.channel import PERSONAL, Channel, Recipient
from producers.channels.sender import Sender

log = logging.getLogger("lumbung.alerts")
BARS = "gold.bars_live"
SIGNALS = "gold.signals"
WEEKLY = "gold.weekly_index"
NEW_SECONDS = 5.0  # between two looks for new alerts while the tables do not change
PEOPLE_SECONDS = 60.0  # between two reads of who wants to be notified, and how


@dataclass(eq=False, repr=False)
class PersonalNews:
    """Looks at symbols for people, stores their messages, and queues them for those who want them sent.

    Everything is stored before it counts as done; a message has one id for its cause, so that a repetition
    after a crash adds nothing.
    """

    database: Database
    sender: Sender
    channels: Mapping[str, Channel]
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._people: dict[str, Reader] | None = None
        self._waiting: list[tuple[PersonalRecipient, Language]] = []
        self._stamps = LogStamps([BARS, SIGNALS])
        self._changed: list[tuple[Mapping[str, Any], datetime]] = []
        self._new_at = 0.0
        self._people_at = 0.0
        self._sheet_at = 0.0

    @property
    def held(self) -> Collection[str]:
        """Channels whose recipients are not known yet."""
        return () if self._people is not None else tuple(PERSONAL.values())

    def take(self, alerts: Sequence[Mapping[str, Any]], since: datetime) -> None:
        """Remember rows of gold.alerts until the next look."""
        self._changed += [(alert, since) for alert in alerts]

    async def look(self, now: float) -> None:
        """Notify whom the newest bars, signals and alerts concern; without the store, at the next look."""
        stamps = self._stamps.take()
        current = self.clock()
        if stamps is None and not self._changed and current < self._new_at:
            return
        self._new_at = current + NEW_SECONDS
        try:
            await self._read_people(current)
            await self._send_codes(now)
            await self._about_symbols(stamps is None, now)
            await self._about_commodities(now)
            await self._send_digests(now)
            self._send_sheet(now)
        except StoreUnavailable as failure:
            log.warning("people are not notified for now: %s", failure)
            return
        if stamps is not None:
            self._stamps.keep(stamps)

    async def forget_old(self, now: float) -> None:
        """Remove old messages."""
        try:
            await forget_old(self.database, datetime.fromtimestamp(now, UTC))
        except StoreUnavailable as failure:
            log.warning("old messages are kept for now: %s", failure)

    async def _read_people(self, current: float) -> None:
        if self._people is not None and current < self._people_at and not self._changed:
            return
        if self._people is None:
            await self.database.migrate()
        self._people = {reader.owner: reader for reader in await readers(self.database)}
        self._people_at = current + PEOPLE_SECONDS
        self._address()

    def _address(self) -> None:
        """Tell each channel whom it may send to: who wants it there, and whose address waits for its code."""
        assert self._people is not None
        for way, channel in self.channels.items():
            wanted = [each.addresses[way] for each in self._people.values() if way in each.addresses]
            wanted += [row.address for row, _ in self._waiting if row.channel == way]
            channel.recipients = [Recipient(address) for address in wanted]

    async def _send_codes(self, now: float) -> None:
        """Send the codes that confirm addresses; each has an id of its own, so that it is sent once."""
        self._waiting = await waiting_codes(self.database)
        self._address()
        minutes = CODE_VALID // timedelta(minutes=1)
        addressed = [
            (
                code_notice(row.owner, str(row.code), row.issued_at, minutes, language),
                PERSONAL[row.channel],
                Recipient(row.address),
            )
            for row, language in self._waiting
            if row.channel in self.channels
        ]
        self.sender.queue_personal(addressed, now)

    async def _about_symbols(self, only_new: bool, now: float) -> None:
        """Compare the alerts with the newest bars and signals; all of them, or only new ones."""
        alerts = await symbol_alerts(self.database, only_new)
        if not alerts:
            return
        states = symbol_states({alert["symbol"] for alert in alerts})
        met: dict[str, bool] = {}
        messages = []
        for alert in alerts:
            state = states.get(alert["symbol"], SymbolState())
            holds = is_met(alert, state)
            if holds is None or holds == alert["is_met"]:
                continue
            met[alert["alert_id"]] = holds
            if holds:
                messages.append(symbol_message(alert, state, alert["language"]))
        if met:
            await self._refresh_people(messages)
            messages = await new_messages(self.database, messages)
            collected = self._queue(messages, now)
            await settle_alerts(self.database, met, messages, datetime.fromtimestamp(now, UTC), collected)

    async def _about_commodities(self, now: float) -> None:
        """Store what changed alerts mean for people who want those of their commodity and region."""
        assert self._people is not None
        messages = [
            commodity_message(notice, reader.owner)
            for alert, since in self._changed
            for reader in self._people.values()
            if wants(reader, alert)
            for notice in notices([alert], since, reader.language)
        ]
        messages = await new_messages(self.database, messages)
        collected = self._queue(messages, now)
        await add_messages(self.database, messages, datetime.fromtimestamp(now, UTC), collected)
        self._changed = []

    async def _send_digests(self, now: float) -> None:
        """Send what is due of the messages that wait for a digest; a crash before the last step repeats it.

        The repetition has the same messages and so the same ids.
        """
        due = await due_for_digest(self.database, digest_ends(datetime.fromtimestamp(now, UTC)))
        if not due:
            return
        self._people_at = 0.0
        await self._read_people(self.clock())
        assert self._people is not None
        for owner, messages in due.items():
            if (reader := self._people.get(owner)) is not None:
                summary = personal_digest(owner, reader.digest, messages, reader.language)
                self._address_to(reader, [summary], now)
        await leave_digest(self.database, [each.alert_id for own in due.values() for each in own])

    def _send_sheet(self, now: float) -> None:
        """Queue the Monday sheet for who wants it. It has one id a week, so that each person gets it once."""
        assert self._people is not None
        week = sheet_week(datetime.fromtimestamp(now, UTC))
        wanted = [reader for reader in self._people.values() if reader.weekly_sheet]
        if week is None or not wanted or self.clock() < self._sheet_at:
            return
        self._sheet_at = self.clock() + PEOPLE_SECONDS
        rows = read_columns(WEEKLY, list(SHEET_COLUMNS), pc.field("week") == week)
        for reader in wanted:
            sheet = weekly_sheet(rows.to_pylist() if rows else [], reader.regions, reader.language)
            self._address_to(reader, [sheet] if sheet else [], now)

    async def _refresh_people(self, messages: Sequence[PersonalMessage]) -> None:
        """Read again how people want to be notified, before somebody is."""
        if messages:
            self._people_at = 0.0
            await self._read_people(self.clock())

    def _queue(self, messages: Sequence[PersonalMessage], now: float) -> set[str]:
        """Queue the messages that go out at once; returns the ids of those that wait for a digest."""
        assert self._people is not None
        at_once: dict[str, list[Notice]] = {}
        collected = set()
        for message in messages:
            reader = self._people.get(message.owner)
            if reader is None:
                continue
            if reader.digest == "none" or message.is_urgent:
                at_once.setdefault(message.owner, []).append(message)
            else:
                collected.add(message.alert_id)
        for owner, own in at_once.items():
            self._address_to(self._people[owner], own, now)
        return collected

    def _address_to(self, reader: Reader, messages: Sequence[Notice], now: float) -> None:
        """Queue messages over the channels that the person wants."""
        addressed = [
            (message, PERSONAL[way], Recipient(address))
            for message in messages
            for way, address in reader.addresses.items()
            if way in self.channels
        ]
        self.sender.queue_personal(addressed, now)


def symbol_states(symbols: Collection[str]) -> dict[str, SymbolState]:
    """Symbol -> its newest bar of any interval, and the signal of its newest bar that has one."""
    of_symbols = pc.field("symbol").isin(sorted(symbols))
    columns = ["symbol", "interval", "bar_time", "close"]
    bars = read_columns(BARS, columns, of_symbols)
    if not bars:
        return {}
    rows = sorted(bars.to_pylist(), key=lambda row: row["bar_time"])
    signals = newest_signals(of_symbols & (pc.field("bar_time") >= rows[0]["bar_time"]))
    return {
        row["symbol"]: SymbolState(row["close"], row["bar_time"], *signals.get(row["symbol"], (None, None)))
        for row in rows
    }


def newest_signals(condition: pc.Expression) -> dict[str, tuple[str, datetime]]:
    """Symbol -> (signal, begin of its bar), the newest of the rows of gold.signals."""
    rows = read_columns(SIGNALS, ["symbol", "bar_time", "signal"], condition)
    ordered = sorted(rows.to_pylist() if rows else [], key=lambda row: row["bar_time"])
    return {row["symbol"]: (row["signal"], row["bar_time"]) for row in ordered}
