"""Bars and orders in a lake, as finished batches of the stream would leave them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_rows
from lakehouse.trading.bars import INTERVALS, Bars
from lakehouse.trading.series_bars import time_of

BATCH = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def land(table: str, rows: Sequence[Row]) -> None:
    """Append rows; missing columns are null."""
    append_rows(table, pa.Table.from_pylist(list(rows), schema=arrow_schema(contracts()[table])))


def land_batch(nth: int, kind: str, table: str, rows: Sequence[Row]) -> None:
    """The rows of one finished batch."""
    time = BATCH + timedelta(seconds=nth)
    land(table, [row | {"ingested_at": time} for row in rows])
    counts = {"rows_in": len(rows), "silver": len(rows), "kind": kind, "ingested_at": time}
    land("gold.balance", [counts | {"stream_id": "test", "batch_id": nth}])


def bar_rows(
    bars: Bars, start: int, end: int, symbol: str = "COIN", interval: str = "1d", source: str = "file:test"
) -> list[Row]:
    """The bars [start, end) as rows of silver.bars, each reported at its end."""
    rows = []
    for at in range(start, end):
        time = time_of(int(bars.time[at]))
        prices = {name: float(getattr(bars, name)[at]) for name in ("open", "high", "low", "close", "volume")}
        rows.append(
            prices
            | {
                "event_id": f"{symbol}-{interval}-{at}",
                "symbol": symbol,
                "asset_class": "crypto",
                "interval": interval,
                "currency": "USD",
                "bar_time": time,
                "event_time": time + INTERVALS[interval],
                "event_month": f"{time:%Y-%m}",
                "final": True,
                "no_trade": False,
                "source": source,
            }
        )
    return rows


def order_row(trade_id: str, side: str, quantity: float, bar: Row, **more: Any) -> Row:
    """An accepted order at a bar as a row of silver.orders."""
    decided = bar["event_time"] + timedelta(seconds=1)
    row = {
        "event_id": trade_id,
        "trade_id": trade_id,
        "account": "ana",
        "principal": "ana",
        "symbol": bar["symbol"],
        "side": side,
        "decided_quantity": quantity,
        "asset_class": "crypto",
        "currency": "USD",
        "interval": bar["interval"],
        "bar_time": bar["bar_time"],
        "status": "ACCEPTED",
        "oracle": "VERIFIED",
        "confidence": 0.7,
        "decided_at": decided,
        "event_time": decided,
        "event_month": f"{decided:%Y-%m}",
        "validation": json.dumps({"result": "VALID", "violations": []}),
        "signal_id": None,
        "client_order_id": None,
        "topic": "lumbung.order",
        "partition": 0,
        "offset": 0,
    }
    return row | more
