"""Signals, the indicators behind them, and the bars that they follow from."""

from typing import Any

from fastapi import Response

from serving_api.http.messages import message
from serving_api.http.path_parameters import SymbolInPath
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.trading.market import bar_of, from_simulator
from serving_api.reads.trading.signals import INDICATORS, NewestSignals, newest_signal
from serving_api.schemas.trading.technical import (
    TechnicalState,
)

router = Router(prefix="/api/v1", tags=["trading"])


@router.get(
    "/ai/technical/{symbol}",
    response_model=TechnicalState,
    summary="Indicators of a symbol",
)
def get_technical_state(
    symbol: SymbolInPath,
    snapshots: Shared[Snapshots],
    signals: Shared[NewestSignals],
    responses: CurrentResponses,
) -> Response:
    """At the close of its newest bar. 503 while it has fewer than 250 bars."""
    bar = bar_of(snapshots, symbol)
    snapshot, row = newest_signal(signals, bar["symbol"], bar["interval"])
    if row is None:
        raise Problem("warming-up", reason=message("few_bars", symbol=bar["symbol"]))
    demo = from_simulator(bar)
    return responses.item([snapshot], technical_item(row), demo=demo, as_of=row["bar_time"])


def technical_item(row: dict[str, Any]) -> dict[str, Any]:
    """The indicators of a row of gold.signals."""
    short, long = row["ma5"], row["ma20"]
    flat = short is None or long is None or short == long
    return {
        "symbol": row["symbol"],
        "bar_time": to_json_value(row["bar_time"]),
        "indicators": {name: row[name] for name in INDICATORS},
        "trend": "flat" if flat else "up" if short > long else "down",
    }
