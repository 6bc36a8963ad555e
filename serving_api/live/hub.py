"""The hub of the WebSockets: what has changed, in order of versions, for any number of clients.

`publish_price` costs the same for one client and for a thousand: the newest row of each market and
commodity with a rising version. A client gets the rows newer than its version, so what it has not taken in
time is replaced by newer prices, and no queue grows. A wheel of slots wakes a part of the clients every 5
ms: no burst holds the loop. Alerts are never replaced: a log keeps them while a client may resume.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from lakehouse.alerts.lifecycle import OPEN_STATES
from lakehouse.translation import Language

SLOTS = 20
PACE_SECONDS = 0.1  # a client is woken ten times a second at most
FRAMES_PER_SECOND = 5000.0  # of all clients together: half of a core
ROWS_PER_FRAME = 200
RESUME_SECONDS = 300
TIMED = ("dashboard", "market_prices")
REPLACED = (*TIMED, "tables")  # channels with one newest message, which replaces the one before
PUBLIC_ROWS = ("signals", "house_trades")
OWN_ROWS = ("account", "trades", "notifications")  # a message goes to the person that it is about
TRADING = (*TIMED, *PUBLIC_ROWS, "trades")  # channels that are fed from the tables of paper trading
# Channels whose changes are never replaced.
LOGGED = ("alerts", "operator_alerts", "quarantine", *PUBLIC_ROWS, *OWN_ROWS)
Filter = tuple[frozenset[str] | None, str | None]  # commodities, region code; None: all
NO_FILTER: Filter = (None, None)
Changes = list[tuple[int, bytes]]  # encoded rows with their versions, oldest first
ENTRIES_KEPT = 10_000


class LogEntry(NamedTuple):
    """One change, encoded in each language. `owner`: id of the only person who gets it; None: no such one."""

    version: int
    logged_at: float
    encoded: Mapping[Language, bytes]
    commodity: str | None = None
    region_code: str | None = None
    owner: str | None = None


class ChangeLog:
    """Changes of one channel, and those of them that describe what is open now."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque()
        self._dropped_version = 0
        self._open: dict[str, LogEntry] = {}  # as last published

    def open_entry(self, key: str) -> LogEntry | None:
        """The last change of something that is open."""
        return self._open.get(key)

    def append(self, entry: LogEntry, key: str | None = None, is_open: bool = False) -> None:
        """Keep a change. `key`: what has changed; `is_open`: whether a new client gets it too."""
        self._entries.append(entry)
        if key is not None:
            self._open.pop(key, None)
            if is_open:
                self._open[key] = entry

    def since(self, version: int) -> list[LogEntry]:
        """Changes newer than a version, oldest first; of version 0: what is open."""
        newer = []
        for entry in reversed(self._entries if version else self._open.values()):
            if entry.version <= version:
                break
            newer.append(entry)
        return newer[::-1]

    def keeps_since(self, version: int) -> bool:
        """Whether no change after the version was dropped."""
        return version >= self._dropped_version

    def drop_old(self, seconds: float) -> None:
        """Drop changes that are older, and what exceeds ENTRIES_KEPT."""
        oldest = time.monotonic() - seconds
        while self._entries and (self._entries[0].logged_at < oldest or len(self._entries) > ENTRIES_KEPT):
            self._dropped_version = self._entries.popleft().version


class PriceRow(NamedTuple):
    """The newest price of a market and commodity, encoded."""

    version: int
    commodity: str
    region_code: str
    encoded: bytes


def matches(chosen: Filter, commodity: str | None, region_code: str | None) -> bool:
    """Whether a row is one that the filter asks for."""
    commodities, region = chosen
    return (commodities is None or commodity in commodities) and region in (None, region_code)


class Hub:
    """Newest prices and recent alerts. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self.version = 1  # 0: a client that has nothing
        self._prices: dict[tuple[str, str], PriceRow] = {}  # newest last
        self._logs = {channel: ChangeLog() for channel in LOGGED}
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._cache_version = -1
        self._cache: dict[tuple[int, Filter], Changes] = {}

    def publish_price(self, market_id: str, commodity: str, region_code: str, encoded: bytes) -> None:
        """The new price of a market and commodity."""
        self.version += 1
        self._prices.pop((market_id, commodity), None)
        self._prices[market_id, commodity] = PriceRow(self.version, commodity, region_code, encoded)

    def publish_alert(
        self,
        item: Mapping[str, Any],
        indonesian: Mapping[str, Any],
        region_code: str | None,
        channel: str = "alerts",
    ) -> None:
        """A change of an alert, as its item in each language; the item that was published last is none."""
        texts: dict[Language, bytes] = {"en": orjson.dumps(item), "id": orjson.dumps(indonesian)}
        key = item["alert_id"]
        known = self._logs[channel].open_entry(key)
        if known is not None and known.encoded == texts:
            return
        is_open = item["state"] in OPEN_STATES
        self.publish_texts(channel, texts, item["commodity"], region_code, key=key, is_open=is_open)

    def end_alert(self, alert_id: str, channel: str = "alerts") -> None:
        """An open alert that is no longer listed, because its prices were corrected: published as cleared."""
        known = self._logs[channel].open_entry(alert_id)
        if known is not None:
            english, indonesian = (
                {**orjson.loads(text), "state": "cleared"} for text in known.encoded.values()
            )
            self.publish_alert(english, indonesian, known.region_code, channel)

    def publish_row(self, channel: str, encoded: bytes, owner: str | None = None) -> None:
        """A message of a channel; the owner alone gets it, without one everybody."""
        self.publish_texts(channel, {"en": encoded, "id": encoded}, owner=owner)

    def publish_texts(
        self,
        channel: str,
        texts: Mapping[Language, bytes],
        commodity: str | None = None,
        region_code: str | None = None,
        owner: str | None = None,
        **change: Any,
    ) -> None:
        """A message of a channel in each language, if any about a commodity and a province.

        `change`: `key` and `is_open` of `ChangeLog.append`.
        """
        self.version += 1
        entry = LogEntry(self.version, time.monotonic(), texts, commodity, region_code, owner)
        self._logs[channel].append(entry, **change)

    def publish_newest(self, channel: str, encoded: bytes) -> None:
        """The newest message of a channel whose messages are replaced."""
        self.version += 1
        self._newest[channel] = (self.version, encoded)

    def newest_since(self, channel: str, version: int) -> Changes:
        """The newest message of such a channel, if it is newer than a version."""
        newest = self._newest.get(channel)
        return [newest] if newest and newest[0] > version else []

    def rows_since(self, channel: str, version: int, owner: str | None = None) -> Changes:
        """Messages of a channel after a version that belong to nobody or to this owner."""
        entries = self._logs[channel].since(version)
        return [(e.version, e.encoded["en"]) for e in entries if e.owner in (None, owner)]

    def prices_since(self, version: int, chosen: Filter) -> Changes:
        """Prices newer than a version. Clients with the same version and filter share them."""
        if self._cache_version != self.version:
            self._cache.clear()
            self._cache_version = self.version
        known = self._cache.get((version, chosen))
        if known is None:
            rows = []
            for row in reversed(self._prices.values()):
                if row.version <= version:
                    break
                if matches(chosen, row.commodity, row.region_code):
                    rows.append((row.version, row.encoded))
            known = self._cache[version, chosen] = rows[::-1]
        return known

    def alerts_since(
        self,
        version: int,
        chosen: Filter,
        language: Language,
        channel: str = "alerts",
        may_see: Callable[[str | None], bool] | None = None,
    ) -> Changes:
        """Changes of alerts newer than a version, each of them; of version 0: the open alerts.

        `may_see`: whether the client has a right to a region; None: to all.
        """
        entries = self._logs[channel].since(version)
        return [
            (entry.version, entry.encoded[language])
            for entry in entries
            if matches(chosen, entry.commodity, entry.region_code)
            and (may_see is None or may_see(entry.region_code))
        ]

    def keeps_since(self, version: int, channel: str) -> bool:
        """Whether no change of a channel after the version was dropped; newer prices replace older ones."""
        return channel not in self._logs or self._logs[channel].keeps_since(version)

    def drop_old_alerts(self) -> None:
        """Drop changes that no client can resume from."""
        for log in self._logs.values():
            log.drop_old(RESUME_SECONDS)


class Wheel:
    """Wakes the clients when something has changed, a slot after the other."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._slots: list[set[asyncio.Event]] = [set() for _ in range(SLOTS)]
        self._versions = [hub.version] * SLOTS
        self._joined = 0
        self._occupied = asyncio.Event()

    @property
    def clients(self) -> int:
        """Number of clients on the wheel."""
        return sum(map(len, self._slots))

    def frames_a_turn(self) -> int:
        """Frames that each client may get in a turn, at least one."""
        return max(1, int(FRAMES_PER_SECOND * PACE_SECONDS / max(1, self.clients)))

    def join(self) -> tuple[asyncio.Event, set[asyncio.Event]]:
        """The event of a new client, and its slot."""
        slot = self._slots[self._joined % SLOTS]
        self._joined += 1
        wake = asyncio.Event()
        slot.add(wake)
        self._occupied.set()
        return wake, slot

    def wake_all(self) -> None:
        """Wake every client, whether something has changed or not: a heartbeat may be due."""
        for slot in self._slots:
            for wake in slot:
                wake.set()

    async def turn(self) -> None:
        """Turn until cancelled; without a client, wait for one."""
        step = PACE_SECONDS / SLOTS
        due = time.monotonic()
        while True:
            if not self.clients:
                self._occupied.clear()
                await self._occupied.wait()
            for nth, slot in enumerate(self._slots):
                due = max(due + step, time.monotonic() - PACE_SECONDS)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self._versions[nth] != self._hub.version:
                    self._versions[nth] = self._hub.version
                    for wake in slot:
                        wake.set()
