"""New rows of silver.quarantine -> the hub, for the operators of their provinces."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow.compute as pc

from lakehouse.reference import commodity_aliases, matching_key
from lakehouse.translation import Language
from serving_api.live.hub import Hub
from serving_api.reads.dashboard import quarantine_subjects
from serving_api.reads.review.own_regions import region_of
from serving_api.reads.review.quarantine import (
    COORDINATES,
    ITEM_COLUMNS,
    in_language,
    listed_item,
    partitions,
    read_day,
)
from serving_api.reads.review.reviews import RowKey, key_of
from serving_api.reads.snapshots import Snapshot, Snapshots, newest_of

TABLE = "silver.quarantine"
CHANNEL = "quarantine"
COLUMNS = dict.fromkeys((*ITEM_COLUMNS, *COORDINATES, *quarantine_subjects.NEEDED))
LANGUAGES: tuple[Language, ...] = ("en", "id")
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class QuarantineFeed:
    """Reads what a version adds in the thread of the snapshots, and publishes it in the event loop."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._loop = loop
        self._newest: datetime | None = None  # quarantined_at of the newest row that was seen
        self._known: set[RowKey] = set()  # rows of that time: a micro-batch may come in parts

    def take(self, snapshot: Snapshot, snapshots: Snapshots) -> None:
        """Publish the rows that are new in this version; those of the first one are no news."""
        newest = newest_of(snapshot, "quarantined_at")
        since = self._newest or (newest if isinstance(newest, datetime) else BEGIN)
        stored = rows_since(snapshot, since)
        rows = [row for row in stored if self._newest and key_of(row) not in self._known]
        # From the rows: the statistics of the files have times in milliseconds.
        self._newest = max((row["quarantined_at"] for row in stored), default=since)
        self._known = {key_of(row) for row in stored if row["quarantined_at"] == self._newest}
        news = [(message_of(row, snapshots), *place_of(row, snapshots)) for row in rows]
        if news and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish, news)

    def _publish(self, news: list[tuple[dict[Language, bytes], str | None, str | None]]) -> None:
        for texts, commodity, region in news:
            self._hub.publish_texts(CHANNEL, texts, commodity, region)


def rows_since(snapshot: Snapshot, time: datetime) -> list[dict[str, Any]]:
    """The rows that were quarantined at this time or later, oldest first."""
    condition = pc.field("quarantined_at") >= time
    days = [day for day in partitions(snapshot) if day >= time.date().isoformat()]
    rows = [row for day in days for row in read_day(snapshot, day, condition, COLUMNS).to_pylist()]
    return sorted(rows, key=lambda row: (row["quarantined_at"], *(row[name] for name in COORDINATES)))


def message_of(row: dict[str, Any], snapshots: Snapshots) -> dict[Language, bytes]:
    """The item of GET /api/v1/quarantine in each language."""
    item = listed_item(row, {}) | {"subject": quarantine_subjects.subject_of(row, snapshots)}
    return {language: orjson.dumps(in_language(item, language)) for language in LANGUAGES}


def place_of(row: dict[str, Any], snapshots: Snapshots) -> tuple[str | None, str | None]:
    """(commodity of the reference list or as given, code of the province); None where unknown."""
    given = row["commodity"]
    commodity = commodity_aliases().get(matching_key(given), given) if given else None
    return commodity, region_of(row, snapshots)
