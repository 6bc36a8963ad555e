"""Market prices of stocks and coins, the newest signal of a symbol, and what the oracle found."""

from typing import Annotated

from fastapi import Path, Response

from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.trading.market import bar_of, from_simulator
from serving_api.reads.trading.signals import INDICATORS, NewestSignals, newest_signal, verification_of
from serving_api.schemas.trading.market import (
    SymbolSignal,
)

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
    snapshots: Shared[Snapshots],
    signals: Shared[NewestSignals],
    responses: CurrentResponses,
) -> Response:
    """503 while a series has fewer than 250 bars: no signal is given before."""
    bar = bar_of(snapshots, symbol)
    snapshot, row = newest_signal(signals, bar["symbol"], bar["interval"])
    if row is None:
        raise Problem("warming-up", reason=message("few_bars", symbol=bar["symbol"]))
    verifications, result = verification_of(snapshots, row)
    item = {name: to_json_value(row[name]) for name in (*SHOWN, *SIDES)} | {
        "position_size": row["position_size_pct"],
        "indicators": {name: row[name] for name in INDICATORS},
        "verification": result,
    }
    return responses.item([snapshot, verifications], item, demo=from_simulator(bar), as_of=row["bar_time"])
