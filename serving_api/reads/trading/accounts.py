"""A paper account as the tables and the orders that are under way give it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from starlette.requests import Request

from conf.settings import settings
from lakehouse.identity.roles import Role
from lakehouse.trading.books import CURRENCY, NEWEST_ACCEPTED, closed_trades
from lakehouse.trading.closed_trades import end_of_day, lost_in_day, newest_lost, trading_day
from lakehouse.trading.limits import (
    AccountState,
    Limits,
    OpenOrder,
    Violation,
    day_lock,
    symbol_lock,
    values_of,
)
from lakehouse.trading.market_terms import cents, market_terms
from lakehouse.trading.performance import as_number, held_instead, performance
from lakehouse.trading.series_bars import exact
from serving_api.http.callers import principal_of
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.trading.market import TABLE as BARS
from serving_api.reads.trading.market import live_bars

PORTFOLIO = "gold.portfolio"
HOUSE = "house"
LISTS = ("positions", "waiting", "accepted", "bought", "days")  # JSON in PORTFOLIO
MOST_SYMBOLS = 20  # with price history on the dashboard
Row = dict[str, Any]


def account_of(request: Request) -> str:
    """The account of a person, or of a key that may read; for others that of the house, which is public.

    Raises Problem 401 for an unknown token.
    """
    caller = principal_of(request)
    is_own = caller is not None and caller.role >= Role.USER and caller.may("read")
    return caller.subject if caller is not None and is_own else HOUSE


def limits_in_force() -> Limits:
    """The limits of the knobs `trading.*`."""
    return Limits.of(settings().trading.model_dump())


def account_row(snapshots: Snapshots, account: str) -> Row:
    """The row of an account, positions and lists as values; of one that never traded, what it begins with."""
    snapshot = snapshots[PORTFOLIO]
    row = snapshot.rows_by("account").get(account)
    if row is not None:
        return snapshot.cached(("account", account), lambda: with_lists(row))
    start = settings().trading.initial_balance
    amounts = {"cash": start, "equity": start, "day_open_equity": start}
    zero = dict.fromkeys(("realised_pnl", "unrealised_pnl", "fees"), 0.0)
    begun = {"account": account, "currency": CURRENCY, "trading_day": None, "accepted_today": 0}
    return {**begun, **amounts, **zero, **{name: [] for name in (*LISTS, "closed_trades")}}


def with_lists(row: Row) -> Row:
    """A row of gold.portfolio with its JSON as values."""
    lists = {name: orjson.loads(row[name] or "[]") for name in LISTS}
    return row | lists | {"closed_trades": closed_trades(row["closed_trades"])}


def today(now: datetime | None = None) -> date:
    """The trading day."""
    return trading_day(now or datetime.now(UTC), settings().trading.day_hours)


def account_state(
    snapshots: Snapshots, account: str, under_way: Sequence[Mapping[str, Any]], now: datetime
) -> AccountState:
    """What the limits are measured against.

    `under_way`: accepted orders (rows like those of silver.orders) that the table may not contain yet.
    """
    row = account_row(snapshots, account)
    prices = {symbol: exact(bar["close"]) for symbol, bar in live_bars(snapshots[BARS]).items()}
    positions = {held["symbol"]: exact(held["quantity"]) for held in row["positions"]}
    new = not_in_table(row["accepted"], under_way)
    waiting = [OpenOrder(o["symbol"], o["side"], exact(o["quantity"])) for o in row["waiting"]]
    waiting += [OpenOrder(o["symbol"], o["side"], exact(o["decided_quantity"])) for o in new]
    for order in new:  # of a symbol whose bars the tables do not have again so far
        prices.setdefault(order["symbol"], exact(order["mark"]))
    day = today(now)
    is_today = row["trading_day"] is not None and row["trading_day"] >= day
    day_hours = settings().trading.day_hours
    cash = cents(exact(row["cash"]))
    equity = cash + sum((positions[symbol] * prices[symbol] for symbol in positions), Decimal(0))
    return AccountState(
        at=now,
        day_ends=end_of_day(now, day_hours),
        cash=cash,
        day_open_equity=cents(exact(row["day_open_equity"])) if is_today else equity,
        accepted_today=(row["accepted_today"] if is_today else 0)
        + sum(1 for order in new if today(order["decided_at"]) == day),
        positions=positions,
        prices=prices,
        waiting=waiting,
        lost_today=lost_in_day(row["closed_trades"], now, day_hours),
        lost=newest_lost(row["closed_trades"]),
    )


def not_in_table(accepted: Sequence[str], under_way: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The accepted orders that a row of gold.portfolio does not contain.

    `accepted`: ids of the newest that it does. The log of an account is in the order of decisions. So a full
    list leaves out only orders that were decided before those that it names.
    """
    known = set(accepted)
    is_full = len(known) >= NEWEST_ACCEPTED
    oldest = min((order["decided_at"] for order in under_way if order["trade_id"] in known), default=None)
    return [
        order
        for order in under_way
        if order["trade_id"] not in known
        and not (is_full and oldest is not None and order["decided_at"] < oldest)
    ]


def dashboard_of(snapshots: Snapshots, account: str, under_way: Sequence[Mapping[str, Any]] = ()) -> Row:
    """The dashboard of an account. `under_way`: accepted orders that the table may not contain yet."""
    row = account_row(snapshots, account)
    bars = live_bars(snapshots[BARS])
    state = account_state(snapshots, account, under_way, datetime.now(UTC))
    positions = [valued(held, bars) for held in row["positions"]]
    equity = row["cash"] + sum(held["market_value"] for held in positions)
    pnl = equity - settings().trading.initial_balance
    is_today = row["trading_day"] is not None and row["trading_day"] >= today()
    held = held_row(row["bought"], state.prices)
    limits = limits_in_force()
    return {
        "currency": row["currency"],
        "balance": round(equity, 2),
        "pnl": round(pnl, 2),
        "buy_and_hold": held,
        "cash": row["cash"],
        "positions": positions,
        "waiting": [waiting_part(order, state.prices) for order in state.waiting],
        "equity_history": [{"date": day, "equity": at_begin} for day, at_begin in row["days"]],
        "price_history": price_history(bars, [held["symbol"] for held in positions]),
        "trades_today": state.accepted_today,
        "daily_pnl": round(equity - row["day_open_equity"], 2) if is_today else 0.0,
        "performance": {
            **performance(row["closed_trades"]),
            "total_pnl": float(sum((trade.net for trade in row["closed_trades"]), Decimal(0))),
        },
        "limits": {name: as_number(value) for name, value in vars(limits).items()},
        "locks": locks(state, limits, bars),
        "simulated": True,
    }


def locks(state: AccountState, limits: Limits, bars: Mapping[str, Row]) -> list[Row]:
    """What may not be bought now after losses, and until when; symbol None: anything."""
    of_day = day_lock(state, limits)
    broken: list[tuple[str | None, Violation]] = [] if of_day is None else [(None, of_day)]
    for symbol in sorted(state.lost.keys() & bars.keys()):
        terms = market_terms(bars[symbol]["asset_class"], bars[symbol]["currency"])
        if locked := symbol_lock(symbol, state, limits, terms):
            broken.append((symbol, locked))
    return [{"symbol": symbol, **values_of(each)} for symbol, each in broken]


def valued(held: Mapping[str, Any], bars: Mapping[str, Row]) -> Row:
    """A position at the newest close of its symbol."""
    value = round(held["quantity"] * bars[held["symbol"]]["close"], 2)
    about = {name: held[name] for name in ("symbol", "quantity", "average_price")}
    return about | {"market_value": value, "unrealized_pnl": round(value - held["cost"], 2)}


def held_row(bought: Sequence[Mapping[str, Any]], prices: Mapping[str, Decimal]) -> Row | None:
    """What the account would have gained by holding its symbols, over its own time; None before it bought."""
    known = [each for each in bought if each["symbol"] in prices]
    first = {each["symbol"]: exact(each["price"]) for each in known}
    start = exact(settings().trading.initial_balance)
    worth = held_instead(start, first, prices)
    if worth is None:
        return None
    symbols = [
        {
            "symbol": each["symbol"],
            "since": each["since"],
            "change_pct": round(float(100 * (prices[each["symbol"]] / first[each["symbol"]] - 1)), 2),
        }
        for each in known
    ]
    return {"pnl": float(worth - start), "since": min(each["since"] for each in known), "symbols": symbols}


def waiting_part(order: OpenOrder, prices: Mapping[str, Decimal]) -> Row:
    """An order that waits for its fill, at the newest close of its symbol."""
    value = round(float(order.quantity * prices[order.symbol]), 2)
    about = {"symbol": order.symbol, "side": order.side}
    return about | {"quantity": float(order.quantity), "market_value": value}


def price_history(bars: Mapping[str, Row], first: Sequence[str]) -> dict[str, list[float]]:
    """Symbol -> up to 100 closes, oldest first: of the symbols held, then of other coins."""
    coins = sorted(symbol for symbol, bar in bars.items() if bar["asset_class"] == "crypto")
    chosen = list(dict.fromkeys([*first, *coins]))[:MOST_SYMBOLS]
    return {symbol: bars[symbol]["closes"] for symbol in chosen if symbol in bars}
