"""Market prices of stocks and coins, the newest signal of a symbol, and what the oracle found."""

from typing import Annotated

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Response

from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentResponses, CurrentSignals, CurrentSnapshots
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.reads.responses import EncodedPage, encode_page, rows_after, to_json_value
from serving_api.reads.table_rows import listed_rows
from serving_api.reads.trading.market import TABLE, bar_of, from_simulator, live_bars, market_price
from serving_api.reads.trading.signals import INDICATORS, VERIFICATIONS, newest_signal, verification_of
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.trading.market import (
    MarketPrice,
    MarketPricesQuery,
    OracleChecks,
    OracleVerification,
    SymbolSignal,
    VerificationsQuery,
)

router = APIRouter(prefix="/api", tags=["trading"])
SymbolInPath = Annotated[
    str, Path(min_length=1, max_length=32, description="stock or coin", examples=["BTC"])
]
SHOWN = ("symbol", "signal_id", "signal", "confidence", "risk_score", "bar_time")
SIDES = ("buy_score", "sell_score", "buy_probability", "sell_probability")
CHECKS = tuple(OracleChecks.model_fields)
VERIFIED = ("verification_id", "signal_id", "symbol", "result", "hash", *CHECKS, "timestamp")


@router.get(
    "/market/prices",
    response_model=Page[MarketPrice],
    responses=problems(404, 410, 422),
    summary="Newest prices of stocks or coins",
)
async def list_market_prices(
    query: Annotated[MarketPricesQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """The close of the newest bar of each symbol, in the order of the alphabet."""
    snapshot = snapshots[TABLE]

    def read(key: Key | None, limit: int) -> EncodedPage:
        wanted = bar_of(snapshots, query.symbol)["symbol"] if query.symbol is not None else None
        rows = [
            ((symbol,), row)
            for symbol, row in sorted(live_bars(snapshot).items())
            if row["asset_class"] == query.asset_class and wanted in (None, symbol)
        ]
        shown = list(rows_after(rows, key)[: limit + 1])
        simulated = {symbol for (symbol,), row in shown if from_simulator(row)}
        items = [(at, market_price(row)) for at, row in shown]
        return encode_page(items, limit, lambda item: item["symbol"] in simulated)

    return await run_sync(lambda: responses.page([snapshot], query, read))


@router.get(
    "/predictions/{symbol}",
    response_model=SymbolSignal,
    responses=problems(404, 422, 503),
    summary="Newest signal of a stock or coin",
)
async def symbol_signal(
    symbol: SymbolInPath, snapshots: CurrentSnapshots, signals: CurrentSignals, responses: CurrentResponses
) -> Response:
    """503 while a series has fewer than 250 bars: no signal is given before."""

    def respond() -> Response:
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
        return responses.item(
            [snapshot, verifications], item, demo=from_simulator(bar), as_of=row["bar_time"]
        )

    return await run_sync(respond)


@router.get(
    "/oracle/verifications",
    response_model=Page[OracleVerification],
    responses=problems(404, 410, 422),
    summary="What the oracle found, newest bar first",
)
async def list_verifications(
    query: Annotated[VerificationsQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Each signal is computed again from the stored bars and checked in four ways."""

    def respond() -> Response:
        snapshot = snapshots.open_newest(VERIFICATIONS)

        def read(key: Key | None, limit: int) -> EncodedPage:
            condition = pc.scalar(True)
            if query.symbol is not None:
                condition &= pc.field("symbol") == bar_of(snapshots, query.symbol)["symbol"]
            if query.result is not None:
                condition &= pc.field("result") == query.result
            order = (("bar_time", "descending"), ("verification_id", "ascending"))
            rows = listed_rows(snapshot, condition, VERIFIED, order, key, limit)
            return encode_page([(at, verification_item(row)) for at, row in rows], limit)

        return responses.page([snapshot], query, read)

    return await run_sync(respond)


def verification_item(row: dict[str, object]) -> dict[str, object]:
    """A row of gold.verifications as an item."""
    item = {name: value for name, value in row.items() if name not in CHECKS}
    return item | {"checks": {name: row[name] for name in CHECKS}}
