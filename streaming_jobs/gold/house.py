"""The house account: follows every verified signal of a live feed, under the limits of everybody."""

import logging
from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow.compute as pc
from confluent_kafka import KafkaException

from conf.runtime.failpoints import failpoint
from conf.settings import settings
from lakehouse.event import Event
from lakehouse.io.delta import cached_table
from lakehouse.io.kafka import NotAcknowledged, publish
from lakehouse.io.paper_order_log import newest_orders, with_times
from lakehouse.times import rfc3339
from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.books import Book, Row, is_accepted, paper_order
from lakehouse.trading.limits import Limits, verdict_of
from lakehouse.trading.market_terms import DOLLARS, market_terms
from lakehouse.trading.paper_engine import PaperAccount, PaperBar
from lakehouse.trading.series_bars import exact
from lakehouse.trading.strategy import FollowedOrder, FollowedSignal, follow

log = logging.getLogger("lumbung.house")
HOUSE = "house"
SIGNALS = "gold.signals"
VERIFICATIONS = "gold.verifications"
NEWEST_INTERVALS = 3  # an older signal is history, which a backtest trades
COLUMNS = [
    *("signal_id", "symbol", "asset_class", "interval", "currency", "bar_time", "close", "signal"),
    *("confidence", "position_size_pct"),
]


class House:
    """Publishes the orders of the house. A signal is decided once: what was decided and is not in the tables
    counts, is sent again until Kafka has it, and is read back from Kafka after a start."""

    def __init__(self) -> None:
        self._version = -1
        self._decided: dict[str, Row] | None = None  # not in the book so far; None: Kafka was not read so far
        self._unsent: dict[str, Event] = {}

    def follow(self, book: Book, now: datetime | None = None) -> None:
        """Decide the signals of the newest bars and publish the orders; without Kafka the next call does."""
        version = cached_table(VERIFICATIONS).version()
        if version == self._version:
            return
        rows = [row for row in newest_verified(now or datetime.now(UTC)) if row["currency"] in DOLLARS]
        rows = [row for row in rows if event_id_of(row) not in book.orders]
        try:
            if rows:
                self._decide(book, rows)
            failpoint("house.before_kafka")
            if self._unsent:
                publish(list(self._unsent.values()))
            failpoint("house.after_kafka")
        except (NotAcknowledged, KafkaException) as error:
            log.warning("the orders of the house wait for Kafka: %s", error)
            return
        self._unsent.clear()
        self._version = version

    def _decide(self, book: Book, rows: Sequence[Row]) -> None:
        """Decide those of these signals that were not decided. Raises KafkaException."""
        if self._decided is None:
            orders = (order for order in newest_orders() if order["account"] == HOUSE)
            self._decided = {order["trade_id"]: order for order in orders}
        known = {name: order for name, order in self._decided.items() if name not in book.orders}
        account = with_orders(book.account, known.values())
        for row in rows:
            event_id = event_id_of(row)
            if event_id not in known and (decision := decided(account, row)):
                event = order_event(row, decision, event_id)
                self._unsent[event_id] = event
                known[event_id] = with_times(orjson.loads(event.value))
        self._decided = known


def event_id_of(row: Row) -> str:
    """Id of the order that follows a signal: a signal is followed once."""
    return f"{HOUSE}-{row['signal_id']}"


def with_orders(account: PaperAccount, orders: Iterable[Row]) -> PaperAccount:
    """A copy of the account that has taken these orders, which are on their way to the log."""
    taken = deepcopy(account)
    for order in orders:
        if is_accepted(order):
            taken.prices.setdefault(order["symbol"], exact(order["mark"]))
            taken.accept(paper_order(order))
    return taken


def newest_verified(now: datetime) -> list[Row]:
    """BUY and SELL signals of bars that closed just now and that the oracle has verified, oldest first."""
    rows: list[Row] = []
    for interval, step in INTERVALS.items():
        since = now - (1 + NEWEST_INTERVALS) * step
        is_new = (pc.field("interval") == interval) & (pc.field("bar_time") > since)
        wanted = is_new & (pc.field("signal") != "HOLD")
        signals = cached_table(SIGNALS).to_pyarrow_dataset().to_table(columns=COLUMNS, filter=wanted)
        if signals.num_rows:
            passed = is_new & (pc.field("result") == "VERIFIED")
            verified = cached_table(VERIFICATIONS).to_pyarrow_dataset()
            ids = verified.to_table(columns=["signal_id"], filter=passed)["signal_id"]
            rows += signals.filter(pc.is_in(signals["signal_id"], value_set=ids.combine_chunks())).to_pylist()
    return sorted(rows, key=lambda row: (row["bar_time"], row["symbol"]))


def decided(account: PaperAccount, row: Row) -> FollowedOrder | None:
    """The decision on a signal, which the account takes when it is valid."""
    price = exact(row["close"])
    bar = PaperBar(row["symbol"], row["interval"], row["bar_time"], price, price, exact(0.0))
    account.prices[bar.symbol] = price
    signal = FollowedSignal(row["signal"], row["confidence"], row["position_size_pct"])
    terms = market_terms(row["asset_class"], row["currency"])
    return follow(account, signal, bar, Limits.of(settings().trading.model_dump()), terms)


def order_event(row: Row, decision: FollowedOrder, event_id: str) -> Event:
    """The decided order as an event."""
    order = decision.order
    verdict = verdict_of(decision.violations)
    payload: dict[str, Any] = {
        "event_id": event_id,
        "event_time": rfc3339(order.decided_at),
        "account": HOUSE,
        "principal": HOUSE,
        "role": "user",
        "symbol": order.symbol,
        "side": order.side,
        "decided_quantity": float(order.quantity),
        **{name: row[name] for name in ("asset_class", "currency", "signal_id", "confidence")},
        "interval": order.interval,
        "bar_time": rfc3339(order.bar_time),
        "mark": row["close"],
        "trade_id": event_id,
        "status": "REJECTED" if decision.violations else "ACCEPTED",
        "oracle": "VERIFIED",
        "decided_at": rfc3339(order.decided_at),
        "validation": verdict,
    }
    return Event("order", HOUSE, orjson.dumps(payload), event_id, HOUSE, order.decided_at)
