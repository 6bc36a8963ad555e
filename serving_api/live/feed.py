"""New versions of the served tables -> the hub: prices and alerts that changed, versions of what follows."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.alerts.lifecycle import OPEN_STATES
from lakehouse.contracts.contract import contracts
from serving_api.live.alert_items import alert_item, operator_alert_item
from serving_api.live.hub import Hub
from serving_api.reads.live_prices import RETAIL, newest_by_market
from serving_api.reads.price_impacts import PriceImpacts
from serving_api.reads.responses import to_json_value
from serving_api.reads.snapshots import Snapshot, Snapshots

PRICES = "gold.live_prices"
ALERTS = "gold.alerts"
SENT = ("market_id", "commodity", "price_idr", "unit", "event_time")
CHANGING = ("alert_id", "state", "tier", "stale", "level", "message")
ACTED = ("acknowledged_by", "note")
FOLLOWING = ("background", "training")  # tables that are computed from others after a price has come
NOT_PUBLISHED = ("pending", "self_corrected")  # nobody is notified of them


class Feed:
    """Compares versions in the thread of the snapshots, and publishes in the event loop."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._loop = loop
        self.snapshots: Snapshots  # set before they are followed
        self._known_prices: pa.Array | None = None  # event ids of the last version
        self._versions: dict[str, int] = {}
        self._alerts = {
            "alerts": ChangedAlerts(CHANGING, NOT_PUBLISHED),
            "operator_alerts": ChangedAlerts((*CHANGING, *ACTED), ()),
        }

    def followers(self) -> dict[str, Callable[[Snapshot], None]]:
        """Table -> what to do with a new snapshot of it."""
        followers: dict[str, Callable[[Snapshot], None]] = {
            name: self.take_version
            for name, contract in contracts().items()
            if contract.served and contract.refreshed in FOLLOWING
        }
        return followers | {PRICES: self.take_prices, ALERTS: self.take_alerts}

    def take_version(self, snapshot: Snapshot) -> None:
        """Publish the versions of the tables that follow others, for clients that show them."""
        self._in_loop(self._publish_version, snapshot.table, snapshot.version)

    def _publish_version(self, table: str, version: int) -> None:
        self._versions[table] = version
        self._hub.publish_newest("tables", orjson.dumps(self._versions))

    def take_prices(self, snapshot: Snapshot) -> None:
        """Publish the retail prices that are new in this version; those of the first one are no news."""
        rows = snapshot.rows.filter(pc.field("channel") == RETAIL)
        known = self._known_prices
        self._known_prices = rows["event_id"].combine_chunks()
        if known is None:
            self._in_loop(self._publish_prices, newest_by_market(rows.to_pylist()))
            return
        changed = rows.filter(pc.invert(pc.is_in(rows["event_id"], value_set=known)))
        if changed.num_rows:
            series = set(zip(changed["market_id"].to_pylist(), changed["commodity"].to_pylist(), strict=True))
            touched = rows.filter(pc.is_in(rows["market_id"], value_set=changed["market_id"].unique()))
            newest = newest_by_market(touched.to_pylist())
            news = [row for row in newest if (row["market_id"], row["commodity"]) in series]
            self._in_loop(self._publish_prices, sorted(news, key=lambda row: row["event_time"]))

    def take_alerts(self, snapshot: Snapshot) -> None:
        """Publish the alerts that changed; of the first version the open ones. Operators get all states."""
        for channel, changes in self._alerts.items():
            changed, gone = changes.of(snapshot.rows)
            self._in_loop(self._publish_alerts, channel, changed, gone)

    def _in_loop(self, publish: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(publish, *arguments)

    def _publish_prices(self, rows: list[dict[str, Any]]) -> None:
        impacts = PriceImpacts(self.snapshots)
        for row in rows:
            # Validated before it is stored, and pushed after that.
            more = {"provisional": False, "impact": impacts.impact(row)}
            data = {name: to_json_value(row[name]) for name in SENT} | more
            self._hub.publish_price(
                row["market_id"], row["commodity"], row["region_code"], orjson.dumps(data)
            )

    def _publish_alerts(self, channel: str, rows: list[dict[str, Any]], gone: frozenset[str]) -> None:
        for row in rows:
            self._publish_alert(channel, row)
        for alert_id in gone:
            self._hub.end_alert(alert_id, channel)

    def publish_alert(self, row: dict[str, Any]) -> None:
        """Publish a row of gold.alerts."""
        for channel in self._alerts:
            self._publish_alert(channel, row)

    def _publish_alert(self, channel: str, row: dict[str, Any]) -> None:
        item = operator_alert_item if channel == "operator_alerts" else alert_item
        self._hub.publish_alert(item(row, "en"), item(row, "id"), row["region_code"], channel)


class ChangedAlerts:
    """Which alerts of a version of gold.alerts differ from the version before.

    `by`: columns whose change is published; `hidden`: states of alerts that are not.
    """

    def __init__(self, by: Sequence[str], hidden: Sequence[str]) -> None:
        self._by = by
        self._hidden = hidden
        self._known: pa.Array | None = None
        self._ids: frozenset[str] = frozenset()

    def of(self, rows: pa.Table) -> tuple[list[dict[str, Any]], frozenset[str]]:
        """(changed rows, oldest first; ids that are listed no longer); of the first version the open ones."""
        rows = rows.filter(~pc.field("state").isin(self._hidden)) if self._hidden else rows
        texts = (pc.fill_null(pc.cast(rows[name], pa.string()), "") for name in self._by)
        shown = pc.binary_join_element_wise(*texts, "|")
        if self._known is None:
            changed = rows.filter(pc.field("state").isin(OPEN_STATES))
        else:
            changed = rows.filter(pc.invert(pc.is_in(shown, value_set=self._known)))
        self._known = shown.combine_chunks()
        ids = frozenset(rows["alert_id"].to_pylist())
        gone = self._ids - ids
        self._ids = ids
        return changed.sort_by("updated_at").to_pylist(), gone
