"""Paper orders: decided at once, logged in Kafka, remembered until the tables show them.

Kafka is the log: after a restart the newest orders are read back from it before the first decision.
"""

import asyncio
import hashlib
import logging
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from anyio.to_thread import run_sync
from confluent_kafka import KafkaException

from conf.runtime.failpoints import failpoint
from lakehouse.event import Event
from lakehouse.identity.roles import Principal
from lakehouse.io.kafka import AcknowledgedProducer
from lakehouse.io.paper_order_log import KIND, newest_orders, with_times
from lakehouse.times import rfc3339
from lakehouse.trading.limits import ProposedOrder, verdict_of, violations
from lakehouse.trading.market_terms import DOLLARS, MarketTerms, market_terms
from lakehouse.trading.series_bars import exact
from lakehouse.trading.strategy import share_quantity
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.trading.accounts import account_state, limits_in_force
from serving_api.reads.trading.market import TABLE as BARS
from serving_api.reads.trading.market import is_stale, named_bar
from serving_api.reads.trading.signals import NewestSignals, newest_signal, signal_named, verification_of
from serving_api.schemas.trading.trades import ExecuteBody
from serving_api.writes.publish import publish

log = logging.getLogger("lumbung.api")
REMEMBERED = 20_000
Row = dict[str, Any]


@dataclass(frozen=True)
class SignalInForce:
    """What a decision takes from the signal: confidence of the side, the oracle's result, the size."""

    signal_id: str | None
    confidence: float
    oracle: str
    position_size_pct: float


class PaperOrders:
    """Decides orders, one at a time for each account; one per process."""

    def __init__(self, snapshots: Snapshots, signals: NewestSignals, producer: AcknowledgedProducer) -> None:
        self._snapshots = snapshots
        self._signals = signals
        self._producer = producer
        self._locks: dict[str, asyncio.Lock] = {}
        self._orders: OrderedDict[str, Row] = OrderedDict()  # trade_id -> payload, oldest first
        # Sent, and not known to be in Kafka: counted all the same, and sent again with the repeated request.
        self._unconfirmed: dict[str, Event] = {}
        self._reading = asyncio.Lock()
        self._is_read_back = False

    async def execute(
        self, order: ExecuteBody, caller: Principal, request: str | None = None
    ) -> tuple[Row, bool]:
        """(the decided order once Kafka has it, whether it is new). Repeats of a client_order_id are not.

        `request`: what a repeated request is recognised by, for an order without a client_order_id. Raises
        Problem 422 for an unknown symbol or signal, 503 for a stale market or without Kafka.
        """
        await self._read_back()
        account = caller.subject
        async with self._locks.setdefault(account, asyncio.Lock()):
            trade_id = trade_id_of(account, order.client_order_id or request)
            known = self._orders.get(trade_id) or self._stored(trade_id)
            if known is not None and trade_id not in self._unconfirmed:
                return known, False
            if known is None:
                rows = [row for row in self._orders.values() if row["account"] == account]
                under_way = [row for row in rows if row["status"] == "ACCEPTED"]
                row = await run_sync(self._decide, order, caller, trade_id, under_way)
                at = self._remember(with_times(row))["decided_at"]
                event = Event(KIND, account, orjson.dumps(row), trade_id, f"api:{account}", at)
                self._unconfirmed[trade_id] = event
            failpoint("order.before_kafka")
            await publish(self._producer, [self._unconfirmed[trade_id]])
            failpoint("order.after_kafka")
            del self._unconfirmed[trade_id]
            return self._orders[trade_id], True

    def of_account(self, account: str) -> list[Row]:
        """The remembered orders of an account that Kafka has, oldest first; call it in the event loop."""
        rows = (row for row in self._orders.values() if row["account"] == account)
        return [row for row in rows if row["trade_id"] not in self._unconfirmed]

    def _decide(self, order: ExecuteBody, caller: Principal, trade_id: str, under_way: Sequence[Row]) -> Row:
        """The order with its verdict. `under_way`: accepted orders of the account."""
        now = datetime.now(UTC)
        bar = self._bar(order, now)
        signal = self._signal(order, bar)
        state = account_state(self._snapshots, caller.subject, under_way, now)
        terms = market_terms(bar["asset_class"], bar["currency"])
        mark = exact(bar["close"])
        check_levels(order, bar["close"])
        held = state.positions.get(bar["symbol"], exact(0.0))
        quantity = quantity_of(order, signal, (state.equity, held), mark, terms)
        proposed = ProposedOrder(bar["symbol"], order.side, quantity, mark, exact(signal.confidence))
        broken = violations(proposed, state, limits_in_force(), terms)
        is_refused = bool(broken) or signal.oracle != "VERIFIED"
        return {
            "event_id": trade_id,
            "event_time": rfc3339(now),
            "account": caller.subject,
            "principal": caller.subject,
            "role": caller.role.label,
            "side": order.side,
            "decided_quantity": float(quantity),
            **{name: bar[name] for name in ("symbol", "asset_class", "currency", "interval")},
            "bar_time": rfc3339(bar["bar_time"]),
            "mark": bar["close"],
            "trade_id": trade_id,
            "status": "REJECTED" if is_refused else "ACCEPTED",
            "oracle": signal.oracle,
            "confidence": signal.confidence,
            "decided_at": rfc3339(now),
            "validation": verdict_of(broken),
            **given(order, signal),
        }

    def _bar(self, order: ExecuteBody, now: datetime) -> Row:
        """The newest bar of the symbol. Raises Problem 422 for one that cannot be traded, 503 when stale."""
        snapshot = self._snapshots[BARS]
        bar = named_bar(snapshot, order.symbol)
        if bar is None:
            raise invalid("/symbol", "unknown_symbol", f"there is no stock or coin '{order.symbol[:60]}'")
        if bar["currency"] not in DOLLARS:
            text = f"{bar['symbol']} is quoted in {bar['currency']}, the account holds US dollars"
            raise invalid("/symbol", "foreign_currency", text)
        if is_stale(snapshot, bar, now):
            raise Problem("stale-market", name=bar["symbol"])
        return bar

    def _signal(self, order: ExecuteBody, bar: Mapping[str, Any]) -> SignalInForce:
        """The signal that the order names, else the newest one; without one nothing is verified."""
        if order.signal_id is not None:
            row = signal_named(self._signals, order.signal_id)
            if row is None or row["symbol"] != bar["symbol"]:
                text = f"there is no signal '{order.signal_id[:60]}' of {bar['symbol']}"
                raise invalid("/signal_id", "unknown_signal", text)
        else:
            _, row = newest_signal(self._signals, bar["symbol"], bar["interval"])
        if row is None:
            return SignalInForce(None, 0.0, "FAILED", 0.0)
        result = verification_of(self._snapshots, row)[1]
        if (row["interval"], row["bar_time"]) != (bar["interval"], bar["bar_time"]):
            result = "FAILED"  # the signal of an older bar says nothing about this price
        confidence = row["buy_probability" if order.side == "BUY" else "sell_probability"]
        oracle = "VERIFIED" if result == "VERIFIED" else "FAILED"
        return SignalInForce(row["signal_id"], confidence, oracle, row["position_size_pct"])

    def _stored(self, trade_id: str) -> Row | None:
        """An order that the tables show."""
        row = self._snapshots["gold.trades"].rows_by("trade_id").get(trade_id)
        if row is None:
            return None
        broken = orjson.loads(row["violations"])
        verdict = {"result": "INVALID" if broken else "VALID", "violations": broken}
        return row | {"decided_quantity": row["quantity"], "validation": verdict}

    async def _read_back(self) -> None:
        """Remember the newest orders of Kafka, once. Raises Problem 503 when Kafka does not answer."""
        async with self._reading:
            if self._is_read_back:
                return
            try:
                rows = await run_sync(newest_orders)
            except KafkaException as error:
                log.warning("the orders in Kafka cannot be read: %s", error)
                raise Problem("kafka-unavailable") from error
            for row in rows:
                self._remember(row)
            self._is_read_back = True

    def _remember(self, row: Row) -> Row:
        """Keep an order; of one that is kept already the first."""
        kept = self._orders.setdefault(row["trade_id"], row)
        while len(self._orders) > REMEMBERED:
            self._orders.popitem(last=False)
        return kept


def trade_id_of(account: str, name: str | None) -> str:
    """Identity of an order; its name (client_order_id, or its request) gives the same one again."""
    if name is None:
        return f"t-{uuid.uuid4().hex}"
    return "t-" + hashlib.sha256(f"{account}\0{name}".encode()).hexdigest()[:32]


def quantity_of(
    order: ExecuteBody,
    signal: SignalInForce,
    account: tuple[Decimal, Decimal],
    mark: Decimal,
    terms: MarketTerms,
) -> Decimal:
    """The ordered quantity in whole lots; a sale without a size sells all that is held.

    `account`: equity, and quantity held of the symbol.
    """
    equity, held = account
    if order.quantity is not None:
        return terms.whole_lots(exact(order.quantity))
    if order.position_size_pct is None and order.side == "SELL":
        return terms.whole_lots(held)
    percent = signal.position_size_pct if order.position_size_pct is None else order.position_size_pct
    return share_quantity(equity, exact(percent), mark, terms)


def check_levels(order: ExecuteBody, price: float) -> None:
    """Raises Problem 422 for levels of a sale, a stop not below the price, and a take-profit not above."""
    is_sale = order.side == "SELL"
    for name, level, is_beyond in (
        ("stop_price", order.stop_price, (order.stop_price or 0) >= price),
        ("take_profit_price", order.take_profit_price, (order.take_profit_price or price) <= price),
    ):
        if level is not None and (is_sale or is_beyond):
            raise invalid(f"/{name}", "exit_level", message("exit_level", price=f"{price:g}"))


def given(order: ExecuteBody, signal: SignalInForce) -> Row:
    """What the request gave itself, without what it left out; the signal that it follows."""
    values = order.model_dump(exclude={"symbol", "side", "signal_id"}, exclude_none=True)
    return values if signal.signal_id is None else values | {"signal_id": signal.signal_id}
