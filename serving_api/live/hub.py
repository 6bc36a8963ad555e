"""The hub of the WebSockets: what has changed, in order of versions, for any number of clients.

`publish_price` costs the same for one client and for a thousand: the newest row of each market and
commodity with a rising version. A client gets the rows newer than its version, so what it has not taken in
time is replaced by newer prices, and no queue grows. A wheel of slots wakes a part of the clients every 5
ms: no burst holds the loop. Alerts are never replaced: a log keeps them while a client may resume.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from lakehouse.alerts.lifecycle import OPEN_STATES
from lakehouse.translation import Language

SLOTS = 20
PACE_SECONDS = 0.1  # a client is woken ten times a second at most
FRAMES_PER_SECOND = 5000.0  # of all clients together: half of a core
ROWS_PER_FRAME = 200
RESUME_SECONDS = 300
ALERTS_KEPT = 10_000
Filter = tuple[frozenset[str] | None, str | None]  # commodities, region code; None: all
NO_FILTER: Filter = (None, None)


class PriceRow(NamedTuple):
    """The newest price of a market and commodity, encoded."""

    version: int
    commodity: str
    region_code: str
    encoded: bytes


class AlertEntry(NamedTuple):
    """One change of an alert, encoded in each language."""

    version: int
    logged_at: float
    commodity: str | None
    region_code: str | None
    encoded: Mapping[Language, bytes]


@dataclass(frozen=True)
class Changes:
    """Encoded rows with their versions, oldest first."""

    rows: list[tuple[int, bytes]]


def matches(chosen: Filter, commodity: str | None, region_code: str | None) -> bool:
    """Whether a row is one that the filter asks for."""
    commodities, region = chosen
    return (commodities is None or commodity in commodities) and region in (None, region_code)


class Hub:
    """Newest prices and recent alerts. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self.version = 1  # 0: a client that has nothing
        self._prices: dict[tuple[str, str], PriceRow] = {}  # newest last
        self._alerts: deque[AlertEntry] = deque()
        self._dropped_version = 0
        self._open_alerts: dict[str, AlertEntry] = {}  # as last published
        self._cache_version = -1
        self._cache: dict[tuple[int, Filter], Changes] = {}

    def publish_price(self, market_id: str, commodity: str, region_code: str, encoded: bytes) -> None:
        """The new price of a market and commodity."""
        self.version += 1
        self._prices.pop((market_id, commodity), None)
        self._prices[market_id, commodity] = PriceRow(self.version, commodity, region_code, encoded)

    def publish_alert(
        self, item: Mapping[str, Any], indonesian: Mapping[str, Any], region_code: str | None
    ) -> None:
        """A change of an alert, as its item in each language; the item that was published last is none."""
        texts: dict[Language, bytes] = {"en": orjson.dumps(item), "id": orjson.dumps(indonesian)}
        known = self._open_alerts.get(item["alert_id"])
        if known is not None and known.encoded == texts:
            return
        self.version += 1
        entry = AlertEntry(self.version, time.monotonic(), item["commodity"], region_code, texts)
        self._alerts.append(entry)
        self._open_alerts.pop(item["alert_id"], None)
        if item["state"] in OPEN_STATES:
            self._open_alerts[item["alert_id"]] = entry

    def end_alert(self, alert_id: str) -> None:
        """An open alert that is no longer listed, because its source reports again: published as cleared."""
        known = self._open_alerts.get(alert_id)
        if known is not None:
            english, indonesian = (
                {**orjson.loads(text), "state": "cleared"} for text in known.encoded.values()
            )
            self.publish_alert(english, indonesian, known.region_code)

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
            known = self._cache[version, chosen] = Changes(rows[::-1])
        return known

    def alerts_since(self, version: int, chosen: Filter, language: Language) -> Changes:
        """Changes of alerts newer than a version, each of them; of version 0: the open alerts."""
        rows = []
        for entry in reversed(self._alerts if version else self._open_alerts.values()):
            if entry.version <= version:
                break
            if matches(chosen, entry.commodity, entry.region_code):
                rows.append((entry.version, entry.encoded[language]))
        return Changes(rows[::-1])

    def keeps_alerts_since(self, version: int) -> bool:
        """Whether no alert after the version was dropped from the log."""
        return version >= self._dropped_version

    def drop_old_alerts(self) -> None:
        """Drop alerts that no client can resume from."""
        oldest = time.monotonic() - RESUME_SECONDS
        while self._alerts and (self._alerts[0].logged_at < oldest or len(self._alerts) > ALERTS_KEPT):
            self._dropped_version = self._alerts.popleft().version


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
