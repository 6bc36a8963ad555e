"""Signals, the indicators behind them, and the bars that they follow from."""

from typing import Annotated, Any

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Response

from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentResponses, CurrentSignals, CurrentSnapshots, CurrentSymbols
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.request_checks import NO_QUERY_PARAMETERS
from serving_api.reads.responses import EncodedPage, encode_page, to_json_value
from serving_api.reads.table_rows import listed_rows
from serving_api.reads.trading.market import TABLE as LIVE
from serving_api.reads.trading.market import bar_of, from_simulator, usual_interval
from serving_api.reads.trading.signals import INDICATORS, SIGNALS, newest_signal
from serving_api.reads.trading.symbols import known_symbol
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.trading.technical import (
    BarRow,
    BarsQuery,
    SignalRow,
    SignalsQuery,
    TechnicalState,
)

router = APIRouter(prefix="/api/v1", tags=["trading"])
BARS = "silver.bars"
LISTED = tuple(SignalRow.model_fields)
SHOWN_BAR = tuple(BarRow.model_fields)
NEWEST = (("bar_time", "descending"), ("signal_id", "ascending"))
NEWEST_BAR = (("bar_time", "descending"), ("event_time", "descending"), ("event_id", "ascending"))
SymbolInPath = Annotated[str, Path(max_length=32, description="stock or coin", examples=["AAPL"])]


@router.get(
    "/ai/technical/{symbol}",
    response_model=TechnicalState,
    responses=problems(404, 422, 503),
    summary="Indicators of a symbol",
    dependencies=[NO_QUERY_PARAMETERS],
)
async def get_technical_state(
    symbol: SymbolInPath, snapshots: CurrentSnapshots, signals: CurrentSignals, responses: CurrentResponses
) -> Response:
    """At the close of its newest bar. 503 while it has fewer than 250 bars."""

    def respond() -> Response:
        bar = bar_of(snapshots, symbol)
        snapshot, row = newest_signal(signals, bar["symbol"], bar["interval"])
        if row is None:
            raise Problem("warming-up", reason=message("few_bars", symbol=bar["symbol"]))
        demo = from_simulator(bar)
        return responses.item([snapshot], technical_item(row), demo=demo, as_of=row["bar_time"])

    return await run_sync(respond)


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


@router.get(
    "/ai/signals",
    response_model=Page[SignalRow],
    responses=problems(404, 410, 422),
    summary="Signals, newest first",
)
async def list_signals(
    query: Annotated[SignalsQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """BUY, SELL or HOLD at the close of each bar."""

    def respond() -> Response:
        snapshot = snapshots[SIGNALS]

        def read(key: Key | None, limit: int) -> EncodedPage:
            condition = pc.scalar(True)
            if query.symbol is not None:
                condition &= pc.field("symbol") == bar_of(snapshots, query.symbol)["symbol"]
            if query.asset_class is not None:
                condition &= pc.field("asset_class") == query.asset_class
            return encode_page(listed_rows(snapshot, condition, LISTED, NEWEST, key, limit), limit)

        return responses.page([snapshot], query, read)

    return await run_sync(respond)


@router.get(
    "/bars",
    response_model=Page[BarRow],
    responses=problems(404, 410, 422),
    summary="Closed bars of a symbol, newest first",
)
async def list_bars(
    query: Annotated[BarsQuery, Query()],
    snapshots: CurrentSnapshots,
    symbols: CurrentSymbols,
    responses: CurrentResponses,
) -> Response:
    """As they were accepted; a bar that was reported again is listed once for each report."""

    def respond() -> Response:
        snapshot = snapshots.open_newest(BARS)
        live = snapshots[LIVE]

        def read(key: Key | None, limit: int) -> EncodedPage:
            symbol = known_symbol(symbols, query.symbol)
            interval = query.interval or usual_interval(live, symbol)
            condition = (pc.field("symbol") == symbol) & (pc.field("interval") == interval)
            condition &= pc.field("final")
            return encode_page(listed_rows(snapshot, condition, SHOWN_BAR, NEWEST_BAR, key, limit), limit)

        return responses.page([snapshot, live], query, read)

    return await run_sync(respond)
