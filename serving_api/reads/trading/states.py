"""The newest price and signal of a symbol, as alerts of people look at it."""

from lakehouse.alerts.personal import SymbolState
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.trading.market import TABLE, live_bars
from serving_api.reads.trading.signals import NewestSignals, newest_signal


def symbol_state(snapshots: Snapshots, signals: NewestSignals, symbol: str) -> SymbolState:
    """What is known of a symbol now. Blocks while new files are read."""
    bar = live_bars(snapshots[TABLE]).get(symbol)
    if bar is None:
        return SymbolState()
    _, row = newest_signal(signals, symbol, bar["interval"])
    known = (row["signal"], row["bar_time"]) if row else (None, None)
    return SymbolState(bar["close"], bar["bar_time"], *known)
