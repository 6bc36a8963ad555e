"""Forecasts of closes by symbol, and earlier ones beside what happened."""

from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow.compute as pc
from fastapi import Query, Response

from serving_api.http.messages import message
from serving_api.http.path_parameters import SymbolInPath
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.provenance import model_meta
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.supported import Symbols, known_symbol
from serving_api.reads.trading.market import TABLE as LIVE
from serving_api.reads.trading.market import from_simulator, named_bar
from serving_api.schemas.trading.closes import (
    CloseForecast,
    CloseForecastQuery,
)

router = Router(prefix="/api/v1/ai", tags=["trading"])
TABLE = "gold.equity_forecasts"
BARS = "silver.bars"
NAIVE = "naive"
FLAT = 0.001  # of the last close: a smaller change is none
FORECAST = (
    *("currency", "issued_at", "origin_date", "target_date", "horizon_days", "model", "price"),
    *("lower_80", "upper_80", "confidence", "model_version", "run_id", "data_version", "gate_reason"),
)


@router.get(
    "/predictions/{symbol}",
    response_model=CloseForecast,
    summary="Forecast of a symbol's closes",
)
def get_close_forecast(
    symbol: SymbolInPath,
    query: Annotated[CloseForecastQuery, Query()],
    symbols: Shared[Symbols],
    responses: CurrentResponses,
) -> Response:
    """By the model that passed the gate. While none does, naive serves, and `reason` says so."""
    name = known_symbol(symbols, symbol)
    snapshot = responses.snapshots.open_newest(TABLE)
    rows = newest_issue(snapshot, name)[: query.horizon_days]
    sentiment = responses.snapshots.open_newest("gold.sentiment")
    item = forecast_item(name, rows) | {"sentiment_score": newest_score(sentiment, name)}
    bar = named_bar(responses.snapshots[LIVE], name)
    demo = bar is not None and from_simulator(bar)
    model = model_of(rows[-1])
    return responses.item([snapshot, sentiment], item, demo=demo, model=model, as_of=as_of(rows[-1]))


def newest_issue(snapshot: Snapshot, symbol: str) -> list[dict[str, Any]]:
    """The served rows of the newest issue, nearest day first. Raises Problem 404 without one."""
    condition = (pc.field("symbol") == symbol) & pc.field("champion")
    rows = snapshot.read(condition, FORECAST)
    if not rows.num_rows:
        reason = message("no_closes_forecast")
        raise Problem("no-forecast", commodity=symbol, region=message("next_days"), reason=reason)
    newest = rows.filter(pc.field("issued_at") == pc.max(rows["issued_at"]))
    listed: list[dict[str, Any]] = newest.sort_by("horizon_days").to_pylist()
    return listed


def forecast_item(symbol: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The forecast without its sentiment. A served model other than naive begins near the last close."""
    last = rows[-1]
    change = last["price"] / rows[0]["price"] - 1
    direction = "flat" if last["model"] == NAIVE or abs(change) < FLAT else "up" if change > 0 else "down"
    return {
        "symbol": symbol,
        "currency": last["currency"],
        "horizon_days": len(rows),
        "predictions": [
            {
                "date": row["target_date"].isoformat(),
                "price": row["price"],
                "lower": row["lower_80"],
                "upper": row["upper_80"],
            }
            for row in rows
        ],
        "direction": direction,
        "confidence": last["confidence"],
        "reason": last["gate_reason"],
    }


def newest_score(snapshot: Snapshot, symbol: str) -> float | None:
    """Sentiment of the newest day with posts about the symbol; None without any."""
    condition = (pc.field("subject_kind") == "symbol") & (pc.field("subject") == symbol)
    rows = snapshot.read(condition, ["market_date", "score"])
    newest = rows.sort_by([("market_date", "descending")])["score"].slice(0, 1).to_pylist()
    return newest[0] if newest else None


def as_of(row: dict[str, Any]) -> datetime:
    """The last day whose close the forecast was made from, as a time within it."""
    return datetime.combine(row["origin_date"], datetime.min.time(), UTC)


def model_of(row: dict[str, Any]) -> dict[str, Any]:
    """The `meta.model` of a served row."""
    alias = "baseline" if row["model"] == NAIVE else "champion"
    trained_on = {} if row["data_version"] is None else {BARS: row["data_version"]}
    return model_meta(row["model"], row["model_version"], alias, trained_on, row["run_id"])
