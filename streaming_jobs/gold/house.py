"""The house account: follows every verified signal of a live feed, under the limits of everybody.

What it does not follow is an order too, refused, with the rule that kept it from being followed.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from confluent_kafka import KafkaException

from conf.runtime.failpoints import failpoint
from conf.settings import settings
from lakehouse.event import Event
from lakehouse.io.delta import cached_table
from lakehouse.io.kafka import NotAcknowledged, publish
from lakehouse.io.paper_order_log import newest_orders, with_times
from lakehouse.times import rfc3339
from lakehouse.trading.books import Book, Row, is_accepted, paper_order
from lakehouse.trading.limits import Limits, Violation, verdict_of
from lakehouse.trading.market_terms import market_terms
from lakehouse.trading.outcomes import NEWEST_INTERVALS, age_of, outcome_row
from lakehouse.trading.paper_engine import PaperAccount, PaperBar
from lakehouse.trading.series_bars import exact
from lakehouse.trading.strategy import FollowedOrder, FollowedSignal, follow
from streaming_jobs.gold.checked_signals import VERIFICATIONS, next_checked, undecided_since

log = logging.getLogger("lumbung.house")
HOUSE = "house"


class House:
    """Publishes the orders of the house. A signal is decided once: what was decided and is not in the tables
    counts, is sent again until Kafka has it, and is read back from Kafka after a start."""

    def __init__(self) -> None:
        self._version = -1
        self._read_upto: datetime | None = None  # time of the newest check whose signals were decided
        self._decided: dict[str, Row] | None = None  # not in the book so far; None: Kafka was not read so far
        self._unsent: dict[str, Event] = {}

    def follow(self, book: Book, now: datetime | None = None) -> None:
        """Decide the signals of the newest bars and publish the orders; without Kafka the next call does."""
        version = cached_table(VERIFICATIONS).version()
        if version == self._version:
            return
        if self._read_upto is None:
            self._read_upto = undecided_since()
        now = now or datetime.now(UTC)
        read_upto = self._read_upto
        try:
            is_all = False
            while not is_all:
                signals, read_upto, is_all = next_checked(read_upto)
                rows = [row for row in signals if outcome_row(row, None) is None]
                self._decide(
                    book, [row for row in rows if event_id_of(row["signal_id"]) not in book.orders], now
                )
            failpoint("house.before_kafka")
            if self._unsent:
                publish(list(self._unsent.values()))
            failpoint("house.after_kafka")
        except (NotAcknowledged, KafkaException) as error:
            log.warning("the orders of the house wait for Kafka: %s", error)
            return
        self._unsent.clear()
        self._version = version
        self._read_upto = read_upto

    def _decide(self, book: Book, rows: Sequence[Row], now: datetime) -> None:
        """Decide those of these signals that were not decided. Raises KafkaException."""
        if not rows:
            return
        if self._decided is None:
            orders = (order for order in newest_orders() if order["account"] == HOUSE)
            self._decided = {order["trade_id"]: order for order in orders}
        known = {name: order for name, order in self._decided.items() if name not in book.orders}
        account = with_orders(book.account, known.values())
        for row in rows:
            event_id = event_id_of(row["signal_id"])
            if event_id not in known and (decision := decided(account, row, now)):
                event = order_event(row, decision, event_id)
                self._unsent[event_id] = event
                known[event_id] = with_times(orjson.loads(event.value))
        self._decided = known


def event_id_of(signal_id: str) -> str:
    """Id of the order that follows a signal: a signal is followed once.

    Characters of a symbol that no event_id has, as in ^GSPC, are written as their number.
    """
    return f"{HOUSE}-" + re.sub(r"[^A-Za-z0-9._:-]", lambda other: f":{ord(other[0]):x}", signal_id)


def with_orders(account: PaperAccount, orders: Iterable[Row]) -> PaperAccount:
    """A copy of the account that has taken these orders, which are on their way to the log."""
    taken = deepcopy(account)
    for order in orders:
        if is_accepted(order):
            taken.prices.setdefault(order["symbol"], exact(order["mark"]))
            taken.accept(paper_order(order))
    return taken


def decided(account: PaperAccount, row: Row, now: datetime) -> FollowedOrder | None:
    """The decision on a signal, which the account takes when it is valid and no history by now."""
    price = exact(row["close"])
    bar = PaperBar(row["symbol"], row["interval"], row["bar_time"], price, price, exact(0.0))
    account.prices[bar.symbol] = price
    signal = FollowedSignal(row["signal"], row["confidence"], row["position_size_pct"])
    terms = market_terms(row["asset_class"], row["currency"])
    age = exact(age_of(row, now))
    late = [Violation("history", Decimal(NEWEST_INTERVALS), age)] if age > NEWEST_INTERVALS else []
    return follow(account, signal, bar, Limits.of(settings().trading.model_dump()), terms, late)


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
