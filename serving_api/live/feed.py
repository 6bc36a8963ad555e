"""New versions of the served tables -> the hub: prices that changed, alerts that changed."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.alerts.lifecycle import OPEN_STATES
from serving_api.live.alert_items import alert_item
from serving_api.live.hub import Hub
from serving_api.reads.live_prices import RETAIL, newest_by_market
from serving_api.reads.responses import to_json_value
from serving_api.reads.snapshots import Snapshot

PRICES = "gold.live_prices"
ALERTS = "gold.alerts"
SENT = ("market_id", "commodity", "price_idr", "unit", "event_time")
CHANGING = ("alert_id", "state", "tier", "stale", "level", "message")
NOT_PUBLISHED = ("pending", "self_corrected")  # nobody is notified of them


class Feed:
    """Compares versions in the thread of the snapshots, and publishes in the event loop."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._loop = loop
        self._known_prices: pa.Array | None = None  # event ids of the last version
        self._known_alerts: pa.Array | None = None
        self._alert_ids: frozenset[str] = frozenset()

    def followers(self) -> dict[str, Callable[[Snapshot], None]]:
        """Table -> what to do with a new snapshot of it."""
        return {PRICES: self.take_prices, ALERTS: self.take_alerts}

    def take_prices(self, snapshot: Snapshot) -> None:
        """Publish the retail prices that are new in this version; those of the first one are no news."""
        assert snapshot.rows is not None
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
        """Publish the alerts that changed; of the first version the open ones."""
        assert snapshot.rows is not None
        rows = snapshot.rows.filter(~pc.field("state").isin(NOT_PUBLISHED))
        shown = pc.binary_join_element_wise(*(pc.cast(rows[name], pa.string()) for name in CHANGING), "|")
        if self._known_alerts is None:
            changed = rows.filter(pc.field("state").isin(OPEN_STATES))
        else:
            changed = rows.filter(pc.invert(pc.is_in(shown, value_set=self._known_alerts)))
        self._known_alerts = shown.combine_chunks()
        ids = frozenset(rows["alert_id"].to_pylist())
        gone = self._alert_ids - ids
        self._alert_ids = ids
        self._in_loop(self._publish_alerts, changed.sort_by("updated_at").to_pylist(), gone)

    def _in_loop(self, publish: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(publish, *arguments)

    def _publish_prices(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            data = {name: to_json_value(row[name]) for name in SENT} | {"provisional": False, "impact": None}
            self._hub.publish_price(
                row["market_id"], row["commodity"], row["region_code"], orjson.dumps(data)
            )

    def _publish_alerts(self, rows: list[dict[str, Any]], gone: frozenset[str]) -> None:
        for row in rows:
            self.publish_alert(row)
        for alert_id in gone:
            self._hub.end_alert(alert_id)

    def publish_alert(self, row: dict[str, Any]) -> None:
        """Publish a row of gold.alerts."""
        self._hub.publish_alert(alert_item(row, "en"), alert_item(row, "id"), row["region_code"])
