"""What the closed trades of an account amount to."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from lakehouse.trading.closed_trades import ClosedTrade, trading_day
from lakehouse.trading.market_terms import cents

By = Literal["symbol", "day", "week", "month", "entry", "exit"]
PERIODS: dict[str, str] = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
Z95 = 1.959963984540054  # two-sided 95 % of a normal distribution


def performance(closed: Sequence[ClosedTrade]) -> dict[str, Any]:
    """Figures of closed trades, fees taken off, as values of JSON.

    None where there is no trade of that sort. A tie is a loss.
    """
    trades = [trade.net for trade in closed]
    wins = [trade for trade in trades if trade > 0]
    losses = [trade for trade in trades if trade <= 0]
    profit = mean(wins)
    loss = mean(losses)
    low, high = wilson(len(wins), len(trades)) if trades else (None, None)
    amounts = {
        "average_profit": profit,
        "average_loss": loss,
        "payoff": profit / -loss if profit is not None and loss else None,
        "expectancy": mean(trades),
        "best_trade": max(trades, default=None),
        "worst_trade": min(trades, default=None),
    }
    return {
        "total_trades": len(trades),
        "win_rate": len(wins) / len(trades) if trades else None,
        "win_rate_low": low,
        "win_rate_high": high,
        **{name: None if amount is None else float(amount) for name, amount in amounts.items()},
    }


def by_key(trades: Iterable[ClosedTrade], by: By, day_hours: int) -> list[dict[str, Any]]:
    """Results of closed trades by symbol, by what began or ended them, or by trading day, ISO week or month.

    By name; periods, in which a trade was closed, newest first.
    """
    groups: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        groups.setdefault(key_of(trade, by, day_hours), []).append(trade)
    rows = []
    for key in sorted(groups, reverse=by in PERIODS):
        nets = [trade.net for trade in groups[key]]
        amounts = {
            "net_pnl": sum(nets, Decimal(0)),
            "average_pnl": mean(nets) or Decimal(0),
            "fees": sum((trade.fees for trade in groups[key]), Decimal(0)),
        }
        counts = {"trades": len(nets), "wins": sum(net > 0 for net in nets)}
        rows.append({"key": key, **counts, **{name: float(amount) for name, amount in amounts.items()}})
    return rows


def key_of(trade: ClosedTrade, by: By, day_hours: int) -> str:
    """The group of a trade, as 2026-11-27, 2026-W48 or 2026-11 for periods."""
    if by not in PERIODS:
        return str(getattr(trade, by))
    return f"{trading_day(trade.closed_at, day_hours):{PERIODS[by]}}"


def held_instead(
    start: Decimal, bought: Mapping[str, Decimal], prices: Mapping[str, Decimal]
) -> Decimal | None:
    """What `start` would be worth now had it been bought and held; None before the first purchase.

    In equal parts in each symbol that was bought, at the price of its first purchase with the fee.
    """
    if not bought:
        return None
    growth = sum((prices[symbol] / price for symbol, price in bought.items()), Decimal(0))
    return cents(start * growth / len(bought))


def as_number(value: Decimal | float) -> float:
    """A decimal as a JSON number; others as they are."""
    return float(value) if isinstance(value, Decimal) else value


def mean(amounts: Sequence[Decimal]) -> Decimal | None:
    """The mean to the cent; None without amounts."""
    return cents(sum(amounts, Decimal(0)) / len(amounts)) if amounts else None


def wilson(wins: int, trades: int) -> tuple[float, float]:
    """95 % interval of a share.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    share = wins / trades
    spread = Z95 * (share * (1 - share) / trades + Z95**2 / (4 * trades**2)) ** 0.5
    centre = share + Z95**2 / (2 * trades)
    scale = 1 + Z95**2 / trades
    return (centre - spread) / scale, (centre + spread) / scale
