"""The report of a backtest as values of JSON: the account by bar and month, trades, and what is not known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.times import utc_text
from lakehouse.trading.bars import Floats
from lakehouse.trading.series_bars import time_of
from lakehouse.trading.simulation import END, SimulatedAccount, SimulatedTrade
from lakehouse.translation import Language, in_language

MOST_POINTS = 500  # of a curve that is kept
MOST_TRADES = 1_000  # the newest are kept
MOST_BINS = 20
Times = npt.NDArray[np.int64]
# What no bar says, whatever the strategy.
NOT_SIMULATED = {
    "order_book": "bars hold no order book: half the spread and the slippage are assumed",
    "market_impact": "an order takes at most 5 % of a bar's volume: what more would move is not known",
    "intrabar_path": "a bar that reaches both stop and take-profit counts as stopped",
    "dividends": "bars hold prices alone: no dividend is paid out",
    "borrowing": "nothing is lent or sold short, so no interest is counted",
    "survivorship": "symbols that are no longer traded may be missing from the bars",
}
NO_TRADE = "no trade was closed"
# Figure -> why it can be null.
NOT_KNOWN = {
    "deflated_sharpe": "the account never traded, or too few bars were tested",
    "pbo": "overfitting is measured over two variants or more, and 40 bars or more",
    "sharpe": "the account never changed",
    "sortino": "no bar lost anything",
    "cagr_pct": "less than a quarter of a year was tested",
    "calmar": "the account never fell, or less than a quarter of a year was tested",
    "benchmark_return_pct": "random entries have no single return: random_entries_beaten compares with them",
    "random_entries_beaten": "the strategy always held or never did",
    **dict.fromkeys(("win_rate", "win_rate_low", "win_rate_high", "expectancy"), NO_TRADE),
    **dict.fromkeys(("best_trade", "worst_trade"), NO_TRADE),
    "average_profit": "no closed trade won",
    "average_loss": "no closed trade lost",
    "payoff": "it needs a trade that won and one that lost",
}


def report_of(
    time: Times, account: SimulatedAccount, held: SimulatedAccount, shown: Mapping[str, Any]
) -> dict[str, Any]:
    """The report of the bars that begin at `time`, microseconds since 1970.

    `held`: the account that bought at once and never sold; `shown`: figure -> value, null where not known.
    `trades` are the newest MOST_TRADES of `trades_total`; one with `exit` END is still open, valued at the
    last close: it is in `trades` and `reasons`, and in no histogram.
    """
    closed = [trade for trade in account.trades if trade.exit != END]
    unknown = {**NOT_SIMULATED, **{name: NOT_KNOWN[name] for name in shown if shown[name] is None}}
    return {
        "bars": bar_points(time, account.equity, held.equity),
        "months": months(time, account.equity, held.equity),
        "pnl_histogram": histogram([float(trade.net) for trade in closed]),
        "holding_bars": holding_times([trade.closed - trade.opened for trade in closed]),
        "reasons": reasons(account.trades),
        "trades": [trade_row(time, trade) for trade in account.trades[-MOST_TRADES:][::-1]],
        "trades_total": len(account.trades),
        "unknown": [{"name": name, "reason": reason} for name, reason in unknown.items()],
    }


def report_in(report: Mapping[str, Any] | None, language: Language) -> dict[str, Any] | None:
    """The report with its texts in a language."""
    if report is None:
        return None
    unknown = [{**each, "reason": in_language(each["reason"], language)} for each in report["unknown"]]
    return {**report, "unknown": unknown}


def falls(equity: Floats) -> Floats:
    """(bars,) how far the equity is below its former high, 0 to 1."""
    return np.asarray(1 - equity / np.maximum.accumulate(equity))


def thinned(equity: Floats) -> list[float]:
    """At most MOST_POINTS points of a curve, its first and last among them, to the cent."""
    return [round(float(value), 2) for value in equity[points(len(equity), MOST_POINTS)]]


def points(number: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many of the positions [0, number), spread evenly, the first and the last among them."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(np.int64))


def bar_points(time: Times, equity: Floats, held: Floats) -> list[dict[str, Any]]:
    """At most MOST_POINTS bars, the deepest fall among them; falls are those of all bars."""
    depth = falls(equity)
    chosen = np.union1d(points(len(equity), MOST_POINTS - 1), [depth.argmax()])
    return [
        {
            "time": utc_text(time_of(int(time[at]))),
            "equity": round(float(equity[at]), 2),
            "held": round(float(held[at]), 2),
            "drawdown_pct": 100 * float(depth[at]),
        }
        for at in chosen
    ]


def months(time: Times, equity: Floats, held: Floats) -> list[dict[str, Any]]:
    """Percent that each month (UTC) brought, the first one from the first bar; together the whole return."""
    of_bar = time.astype("datetime64[us]").astype("datetime64[M]")
    ends = [0, *np.flatnonzero(np.append(of_bar[1:] != of_bar[:-1], True)).tolist()]
    return [
        {
            "month": str(of_bar[end]),
            "return_pct": 100 * float(equity[end] / equity[start] - 1),
            "held_pct": 100 * float(held[end] / held[start] - 1),
        }
        for start, end in pairwise(ends)
    ]


def histogram(values: Sequence[float]) -> list[dict[str, Any]]:
    """How many values lie in each of at most MOST_BINS ranges [low, high); the last one includes its end."""
    if not values:
        return []
    counts, edges = np.histogram(values, bins=min(MOST_BINS, ceil(len(values) ** 0.5)))
    return bins(counts, edges.tolist())


def holding_times(lengths: Sequence[int]) -> list[dict[str, Any]]:
    """How many trades were held for how many bars, in at most MOST_BINS ranges [low, high)."""
    if not lengths:
        return []
    width = ceil((max(lengths) - min(lengths) + 1) / MOST_BINS)
    edges = np.arange(min(lengths), max(lengths) + width + 1, width)
    return bins(np.histogram(lengths, bins=edges)[0], edges.tolist())


def bins(counts: npt.NDArray[np.int64], edges: Sequence[float]) -> list[dict[str, Any]]:
    """Counts with the edges of their ranges."""
    return [
        {"low": low, "high": high, "trades": int(count)}
        for (low, high), count in zip(pairwise(edges), counts, strict=True)
    ]


def reasons(trades: Sequence[SimulatedTrade]) -> list[dict[str, Any]]:
    """Trades by what began and ended them; a trade that is open has not won."""
    grouped: dict[tuple[str, str], list[SimulatedTrade]] = defaultdict(list)
    for trade in trades:
        grouped[trade.entry, trade.exit].append(trade)
    return [
        {
            "entry": entry,
            "exit": ended_by,
            "trades": len(group),
            "wins": sum(trade.net > 0 for trade in group if ended_by != END),
            "net_pnl": float(sum(trade.net for trade in group)),
        }
        for (entry, ended_by), group in sorted(grouped.items())
    ]


def trade_row(time: Times, trade: SimulatedTrade) -> dict[str, Any]:
    """One trade. Prices are means in shares of its end, so a split between changes no result."""
    return {
        "opened_at": utc_text(time_of(int(time[trade.opened]))),
        "closed_at": utc_text(time_of(int(time[trade.closed]))),
        "bars": trade.closed - trade.opened,
        "quantity": float(trade.quantity),
        "entry_price": float(trade.bought / trade.quantity),
        "exit_price": float(trade.sold / trade.quantity),
        "fees": float(trade.fees),
        "net_pnl": float(trade.net),
        "return_pct": 100 * float(trade.net / trade.bought),
        "entry": trade.entry,
        "exit": trade.exit,
    }
