"""The newest signal of a symbol, with what the oracle found, and the indicators behind it."""

from typing import Annotated

from fastapi import Path, Response

from serving_api.http.messages import message
from serving_api.http.path_parameters import SymbolInPath as LongSymbol
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.reads.trading.market import bar_of, from_simulator
from serving_api.reads.trading.signals import INDICATORS, NewestSignals, Row, newest_signal, verification_of
from serving_api.schemas.trading.market import SymbolSignal, TechnicalState

router = Router(prefix="/api", tags=["trading"])
SymbolInPath = Annotated[
    str, Path(min_length=1, max_length=32, description="stock or coin", examples=["BTC"])
]
SHOWN = ("symbol", "signal_id", "signal", "confidence", "risk_score", "bar_time")
SIDES = ("buy_score", "sell_score", "buy_probability", "sell_probability")


@router.get(
    "/predictions/{symbol}",
    response_model=SymbolSignal,
    summary="Newest signal of a stock or coin",
)
def symbol_signal(
    symbol: SymbolInPath,
    signals: Shared[NewestSignals],
    responses: CurrentResponses,
) -> Response:
    """503 while a series has fewer than 250 bars: no signal is given before."""
    bar, snapshot, row = signal_of(responses.snapshots, signals, symbol)
    verifications, result = verification_of(responses.snapshots, row)
    item = {name: to_json_value(row[name]) for name in (*SHOWN, *SIDES)} | {
        "position_size": row["position_size_pct"],
        "indicators": {name: row[name] for name in INDICATORS},
        "verification": result,
    }
    return responses.item([snapshot, verifications], item, demo=from_simulator(bar), as_of=row["bar_time"])


@router.get(
    "/v1/ai/technical/{symbol}",
    response_model=TechnicalState,
    summary="Indicators of a symbol",
)
def get_technical_state(
    symbol: LongSymbol,
    signals: Shared[NewestSignals],
    responses: CurrentResponses,
) -> Response:
    """At the close of its newest bar. 503 while it has fewer than 250 bars."""
    bar, snapshot, row = signal_of(responses.snapshots, signals, symbol)
    demo = from_simulator(bar)
    return responses.item([snapshot], technical_item(row), demo=demo, as_of=row["bar_time"])


def signal_of(snapshots: Snapshots, signals: NewestSignals, name: str) -> tuple[Row, Snapshot, Row]:
    """(newest bar, table of signals, newest signal) of a symbol. Raises Problem 404, 503 without a signal."""
    bar = bar_of(snapshots, name)
    snapshot, row = newest_signal(signals, bar["symbol"], bar["interval"])
    if row is None:
        raise Problem("warming-up", reason=message("few_bars", symbol=bar["symbol"]))
    return bar, snapshot, row


def technical_item(row: Row) -> Row:
    """The indicators of a row of gold.signals."""
    short, long = row["ma5"], row["ma20"]
    flat = short is None or long is None or short == long
    return {
        "symbol": row["symbol"],
        "bar_time": to_json_value(row["bar_time"]),
        "indicators": {name: row[name] for name in INDICATORS},
        "trend": "flat" if flat else "up" if short > long else "down",
    }
