"""Lists of trading: prices, bars, signals, what the oracle found, forecasts of closes, paper orders."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Depends, Request

from conf.settings import settings
from lakehouse.trading.performance import PERIODS, By, by_key
from serving_api.http.path_parameters import SymbolInPath
from serving_api.http.shared import Shared
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, equal, listing_router
from serving_api.reads.responses import KeyedItem, to_json_value
from serving_api.reads.supported import Symbols, known_symbol
from serving_api.reads.trading.accounts import HOUSE, PORTFOLIO, account_of, account_row
from serving_api.reads.trading.market import TABLE as LIVE
from serving_api.reads.trading.market import (
    bar_of,
    from_simulator,
    live_bars,
    market_price,
    usual_interval,
)
from serving_api.schemas.envelope import Name
from serving_api.schemas.identity.personal import SymbolName
from serving_api.schemas.trading.closes import CloseHistoryRow
from serving_api.schemas.trading.market import (
    AssetClass,
    Interval,
    MarketPrice,
    OracleChecks,
    OracleVerification,
    SignalOutcome,
)
from serving_api.schemas.trading.trades import Status, TradeResult, TradeRow
from serving_api.writes.paper_orders import PaperOrders

BARS = "silver.bars"
LEDGER = "gold.ledger"
CHECKS = tuple(OracleChecks.model_fields)
ONLY_SYMBOL = "only this stock or coin"


def of_symbol(name: str, request: ListRequest) -> pc.Expression:
    """The rows of a stock or coin that has a price. Raises Problem 404."""
    return pc.field("symbol") == bar_of(request.snapshots, name)["symbol"]


def bars_of(name: str, request: ListRequest) -> pc.Expression:
    """The bars of a symbol of the requested length, else of the usual one. Raises Problem 404."""
    symbol = known_symbol(request.shared[Symbols], name)
    interval = request.values["interval"] or usual_interval(request.others[LIVE], symbol)
    return (pc.field("symbol") == symbol) & (pc.field("interval") == interval)


def newest_prices(request: ListRequest) -> list[KeyedItem]:
    """The newest bar of each symbol, by name. Raises Problem 404."""
    name = request.values["symbol"]
    symbol = None if name is None else bar_of(request.snapshots, name)["symbol"]
    return [
        ((known,), row)
        for known, row in sorted(live_bars(request.snapshot).items())
        if row["asset_class"] == request.values["asset_class"] and symbol in (None, known)
    ]


def verification_item(row: Row) -> Row:
    """A verification with its checks apart."""
    rest = {name: to_json_value(value) for name, value in row.items() if name not in (*CHECKS, "bar_time")}
    return rest | {"checks": {name: row[name] for name in CHECKS}}


def with_outcomes(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """Earlier forecasts with the closes that followed."""
    symbol = known_symbol(request.shared[Symbols], request.values["symbol"])
    condition = (pc.field("symbol") == symbol) & (pc.field("interval") == "1d") & pc.field("final")
    condition &= pc.field("bar_date").isin(sorted({row["target_date"] for row in rows}))
    bars = request.others[BARS].read(condition, ["bar_date", "close", "event_time"])
    reports = bars.sort_by("event_time").to_pylist()
    closes = {bar["bar_date"]: bar["close"] for bar in reports}  # of a bar that was reported again the newest
    return [outcome(row, closes.get(row["target_date"])) for row in rows]


def outcome(row: Row, actual: float | None) -> Row:
    """An earlier forecast with its error."""
    return {
        "made_at": to_json_value(row["issued_at"]),
        "target_date": to_json_value(row["target_date"]),
        "predicted": row["price"],
        "actual": actual,
        "error_pct": None if actual is None else 100 * (row["price"] / actual - 1),
        "model_version": row["model_version"],
    }


def forecasts_of(name: str, request: ListRequest) -> pc.Expression:
    """The forecasts that were served for a symbol. Raises Problem 404."""
    return pc.field("symbol") == known_symbol(request.shared[Symbols], name)


def newest_target(request: ListRequest) -> date | None:
    """The last day that was forecast of the symbol; None without any."""
    symbol = request.values["symbol"].strip().upper()
    return newest_in(request.snapshot.read(pc.field("symbol") == symbol, ["target_date"])["target_date"])


def outcome_item(row: Row) -> Row:
    """What became of a signal, its rules as values."""
    item = {name: to_json_value(row[name]) for name in SignalOutcome.model_fields}
    return item | {"violations": orjson.loads(row["violations"])}


def newest_in(values: pa.ChunkedArray) -> date | None:
    """The newest of days or times; None without any."""
    newest: date | None = pc.max(values).as_py()
    return newest


async def orders_of_reader(request: Request, orders: Shared[PaperOrders]) -> tuple[str, list[Row]]:
    """The account of the caller, and its orders that this process remembers."""
    account = account_of(request)
    return account, orders.of_account(account)


def all_orders(request: ListRequest) -> pa.Table:
    """The orders of the account: rows of gold.trades, and those that it does not show yet."""
    account, remembered = request.context
    stored = request.snapshot.rows.filter(pc.field("account") == account)
    known = set(stored["trade_id"].to_pylist())
    new = [as_stored(row) for row in remembered if row["trade_id"] not in known]
    return pa.concat_tables([stored, pa.Table.from_pylist(new, stored.schema)])


def results(request: ListRequest) -> list[KeyedItem]:
    """Closed trades of the account by what was requested, periods newest first."""
    by = request.values["by"]
    closed = account_row(request.snapshots, request.context)["closed_trades"]
    rows = by_key(closed, by, settings().trading.day_hours)
    return [(sort_key(row["key"], by in PERIODS), row) for row in rows]


def sort_key(name: str, is_period: bool) -> tuple[Any, ...]:
    """What the place of a row follows from; a later period comes first."""
    return tuple(-int(number) for number in re.findall(r"\d+", name)) if is_period else (name,)


def as_stored(order: Row) -> Row:
    """An order that the tables do not show yet, as they will."""
    violations = orjson.dumps(order["validation"]["violations"]).decode()
    return order | {"quantity": order["decided_quantity"], "violations": violations}


def with_blocks(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """Orders as items, with the hashes of their blocks in chain `trade`."""
    events = [row["event_id"] for row in rows]
    condition = (pc.field("chain") == "trade") & pc.field("event_id").isin(events)
    blocks = request.others[LEDGER].read(condition, ["event_id", "hash"]).to_pylist() if events else []
    hashes = {row["event_id"]: row["hash"] for row in blocks}
    return [
        {name: to_json_value(row[name]) for name in ORDERS.item_columns}
        | {"violations": orjson.loads(row["violations"]), "block_hash": hashes.get(row["event_id"])}
        for row in rows
    ]


PRICES = Listing(
    table=LIVE,
    path="/api/market/prices",
    name="list_market_prices",
    item=MarketPrice,
    summary="Newest prices of stocks or coins",
    description="The close of the newest bar of each symbol, in the order of the alphabet.",
    filters=(
        Filter("asset_class", "coins or shares", annotation=AssetClass, default="crypto"),
        Filter("symbol", ONLY_SYMBOL, annotation=Name),
    ),
    keyed=newest_prices,
    item_from=market_price,
    demo=lambda request: lambda item: from_simulator(live_bars(request.snapshot)[item["symbol"]]),
)
SIGNALS = Listing(
    table="gold.signals",
    path="/api/v1/ai/signals",
    name="list_signals",
    item="SignalRow",
    summary="Signals, newest first",
    description="BUY, SELL or HOLD at the close of each bar.",
    columns="signal_id, symbol, interval, signal, confidence, risk_score, bar_time",
    filters=(
        equal("asset_class", "only stocks, or only coins"),
        Filter("symbol", ONLY_SYMBOL, of_symbol, SymbolName),
    ),
    order="bar_time desc, signal_id",
)
CLOSED_BARS = Listing(
    table=BARS,
    path="/api/v1/bars",
    name="list_bars",
    item="BarRow",
    summary="Closed bars of a symbol, newest first",
    description="As they were accepted; a bar that was reported again is listed once for each report.",
    columns="bar_time, open, high, low, close, volume, no_trade",
    others=(LIVE,),
    condition=lambda request: pc.field("final"),
    filters=(
        Filter("symbol", None, bars_of, SymbolName, required=True),
        Filter(
            "interval",
            "length of a bar; default: daily bars where there are any, else those of the newest",
            annotation=Interval,
        ),
    ),
    order="bar_time desc, event_time desc, event_id",
)
VERIFICATIONS = Listing(
    table="gold.verifications",
    path="/api/oracle/verifications",
    name="list_verifications",
    item=OracleVerification,
    summary="What the oracle found, newest bar first",
    description="Each signal is computed again from the stored bars and checked in four ways.",
    columns=", ".join(("verification_id, signal_id, symbol, result, hash", *CHECKS, "timestamp")),
    filters=(Filter("symbol", ONLY_SYMBOL, of_symbol, Name), equal("result", "only this result")),
    order="bar_time desc, verification_id",
    item_from=verification_item,
)
OUTCOMES = Listing(
    table="gold.signal_outcomes",
    path="/api/v1/signal-outcomes",
    name="list_signal_outcomes",
    item=SignalOutcome,
    summary="What became of each signal, newest bar first",
    description="Traded in the house account, refused by a rule, or held: HOLD. A signal that the oracle has "
    "verified is missing until the house has decided, mostly for a second.",
    columns=", ".join(SignalOutcome.model_fields),
    filters=(Filter("symbol", ONLY_SYMBOL, of_symbol, Name), equal("fate", "only this fate")),
    order="bar_time desc, signal_id",
    item_from=outcome_item,
)
EARLIER_FORECASTS = Listing(
    table="gold.equity_forecasts",
    path="/api/v1/ai/history/{symbol}",
    name="list_close_history",
    item=CloseHistoryRow,
    summary="Earlier forecasts of a symbol beside what happened",
    description="""The newest forecast first. Default: the 30 days that end with the newest day
    that was forecast.""",
    columns="issued_at, target_date, price, model_version",
    others=(BARS,),
    times="target_date",
    newest=newest_target,
    condition=lambda request: pc.field("champion"),
    filters=(Filter("symbol", None, forecasts_of, SymbolInPath, in_path=True),),
    order="issued_at desc, horizon_days",
    present=with_outcomes,
)
ORDERS = Listing(
    table="gold.trades",
    path="/api/trades/history",
    name="trade_history",
    item=TradeRow,
    summary="Paper orders, newest first",
    description="One's own orders, without a token those of the house. Default: the 30 days that end with "
    "the newest.",
    columns=", ".join(name for name in TradeRow.model_fields if name not in ("violations", "block_hash")),
    times="decided_at",
    newest=lambda request: newest_in(all_orders(request)["decided_at"]),
    others=(LEDGER,),
    filters=(
        Filter("symbol", ONLY_SYMBOL, of_symbol, Name),
        equal("status", "only orders of this status", Status),
    ),
    order="decided_at desc, trade_id",
    rows=lambda request, condition: all_orders(request).filter(condition),
    present=with_blocks,
    context=Depends(orders_of_reader),
    personal=lambda request: request.context[0] != HOUSE,
    cached=False,
    statuses=(401, 404),
)
PERFORMANCE = Listing(
    table=PORTFOLIO,
    path="/api/v1/performance",
    name="list_performance",
    item=TradeResult,
    summary="Results of closed trades by symbol, period or reason",
    description="""One's own account, without a token that of the house. A trade lasts from the first purchase
    of a symbol until nothing of it is held, and belongs to the trading day (WIB) of its last sale; periods
    come newest first. `entry` is signal when the first purchase had a signal that gave it the probability
    that BUY needs (.52), as every one of the house has, else order. `exit` is the same of the last sale, or
    the stop or take_profit that it reached.""",
    filters=(Filter("by", "what the trades have in common", annotation=By, required=True),),
    keyed=results,
    context=Depends(account_of),
    personal=lambda request: request.context != HOUSE,
    cached=False,
    statuses=(401,),
)
router = listing_router(
    "trading", PRICES, SIGNALS, CLOSED_BARS, VERIFICATIONS, OUTCOMES, EARLIER_FORECASTS, ORDERS, PERFORMANCE
)
