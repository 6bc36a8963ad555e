"""Paper trading -> the hub: dashboard and market prices at a steady pace, signals and trades as they come."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson
from anyio.to_thread import run_sync

from conf.settings import settings
from lakehouse.trading.series_bars import SymbolInterval
from serving_api.live.hub import Hub
from serving_api.reads.responses import to_json_value
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.trading.accounts import HOUSE, dashboard_of
from serving_api.reads.trading.market import TABLE as BARS
from serving_api.reads.trading.market import live_bars, market_price
from serving_api.reads.trading.signals import NewestSignals

log = logging.getLogger("lumbung.api")
TRADES = "gold.trades"
SIGNAL = ("signal_id", "symbol", "asset_class", "signal", "confidence", "risk_score", "bar_time")
TRADE = (
    *("trade_id", "symbol", "side", "quantity", "price", "pnl", "status", "confidence", "decided_at"),
    "executed_at",
)
REMEMBERED = 50_000  # statuses of orders that were sent


class TradingFeed:
    """Looks at the tables while a client is connected, and sends what is new."""

    def __init__(self, hub: Hub, snapshots: Snapshots, signals: NewestSignals) -> None:
        self._hub = hub
        self._snapshots = snapshots
        self._signals = signals
        self._pause_seconds = settings().trading.ws_interval_seconds
        self._sent_signals: dict[SymbolInterval, str] | None = None
        self._sent_trades: dict[str, str] = {}  # trade_id -> status
        self._trades_version: tuple[object, int] | None = None

    async def send_timed(self, is_followed: Callable[[], bool]) -> None:
        """Send what changed every `trading.ws_interval_seconds`, for ever."""
        while True:
            await asyncio.sleep(self._pause_seconds)
            if not is_followed():
                continue
            try:
                dashboard, prices, signals = await run_sync(self._read)
                self._hub.publish_newest("dashboard", dashboard)
                self._hub.publish_newest("market_prices", prices)
                for signal in signals:
                    self._hub.publish_row("signals", signal)
                self._publish_changed_trades()
            except Exception:  # a table in the midst of being replaced; this task must not end
                log.warning("the trading tables cannot be read", exc_info=True)

    def _read(self) -> tuple[bytes, bytes, list[bytes]]:
        """(dashboard of the house, market prices of coins, signals that are new)."""
        dashboard = orjson.dumps(dashboard_of(self._snapshots, HOUSE))
        bars = live_bars(self._snapshots[BARS])
        items = [market_price(row) for _, row in sorted(bars.items()) if row["asset_class"] == "crypto"]
        return dashboard, orjson.dumps({"items": items}), self._new_signals()

    def _new_signals(self) -> list[bytes]:
        """Signals that came since the last call; those of the first one are no news."""
        _, by_file = self._signals.read()
        newest: dict[SymbolInterval, dict[str, Any]] = {}
        for rows in by_file.values():
            for key, row in rows.items():
                if key not in newest or row["bar_time"] > newest[key]["bar_time"]:
                    newest[key] = row
        known = self._sent_signals
        self._sent_signals = {key: row["signal_id"] for key, row in newest.items()}
        if known is None:
            return []
        changed = [row for key, row in newest.items() if known.get(key) != row["signal_id"]]
        return [orjson.dumps({name: to_json_value(row[name]) for name in SIGNAL}) for row in changed]

    def _publish_changed_trades(self) -> None:
        """Publish the orders whose status changed in the table; of the first version those sent before."""
        snapshot = self._snapshots[TRADES]
        version = (snapshot.identity, snapshot.version)
        if version == self._trades_version:
            return
        is_first = self._trades_version is None
        self._trades_version = version
        for row in snapshot.rows.to_pylist():
            if is_first and row["trade_id"] not in self._sent_trades:
                self._sent_trades[row["trade_id"]] = row["status"]
            else:
                self.publish_trade(row["account"], row)

    def publish_trade(self, account: str, row: dict[str, Any]) -> None:
        """Publish an order to its owner, one of the house to everybody, unless its status was sent."""
        if self._sent_trades.get(row["trade_id"]) == row["status"]:
            return
        if len(self._sent_trades) >= REMEMBERED:
            self._sent_trades.pop(next(iter(self._sent_trades)))
        self._sent_trades[row["trade_id"]] = row["status"]
        data = orjson.dumps({name: to_json_value(row[name]) for name in TRADE})
        if account == HOUSE:
            self._hub.publish_row("house_trades", data)
        else:
            self._hub.publish_row("trades", data, account)
