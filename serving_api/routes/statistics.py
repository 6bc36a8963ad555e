"""What this service has done, and the names that it knows."""

from collections.abc import Mapping

import pyarrow as pa
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response

from lakehouse.reference import commodities, provinces
from serving_api import metrics
from serving_api.answers import shown
from serving_api.filewise import FileWise
from serving_api.forecasts import served
from serving_api.gold import Gold
from serving_api.problems import nothing_asked
from serving_api.routes.service import uptime_seconds
from serving_api.sales_model import SalesModel
from serving_api.shapes import problems
from serving_api.shapes_models import Stats, Supported

router = APIRouter(prefix="/api/v1", tags=["service"], dependencies=[Depends(nothing_asked)])
Symbols = FileWise[frozenset[tuple[str, str]]]  # file -> (symbol, asset class)
BASELINE = "naive"  # needs no training: it speaks first


def symbols(gold: Gold) -> Symbols:
    """Told file by file of silver.bars."""
    return FileWise(gold, "silver.bars", ["symbol", "asset_class"], traded)


def traded(rows: pa.Table) -> frozenset[tuple[str, str]]:
    """The symbols of one file."""
    pairs = rows.group_by(["symbol", "asset_class"]).aggregate([])
    return frozenset(zip(pairs["symbol"].to_pylist(), pairs["asset_class"].to_pylist(), strict=True))


@router.get("/stats", response_model=Stats, responses=problems(422), summary="What this process has done since it started")
async def stats(request: Request) -> Response:
    """Counters of this process; a second process has its own."""
    gold: Gold = request.app.state.gold
    sales: SalesModel = request.app.state.sales
    counts = metrics.predictions()
    predictions = sum(counts.values())
    said = {
        "uptime_seconds": uptime_seconds(),
        "requests_total": metrics.REQUESTS.total,
        "predictions_total": predictions,
        "cache_hit_ratio": round(counts["true"] / predictions, 4) if predictions else 0.0,
        "latency_ms": metrics.REQUESTS.latency_ms(),
        "models_loaded": len(served(gold["gold.forecasts"]).models()) + sales.loaded,
    }
    snapshots = [gold["gold.model_accuracy"], gold["gold.forecasts"]]
    return shown(request, snapshots, said, asked=str(said["requests_total"]))


@router.get("/supported", response_model=Supported, responses=problems(422), summary="Names that may be asked for")
async def supported(request: Request) -> Response:
    """Commodities and provinces of the reference lists, symbols with bars, models that speak."""
    gold: Gold = request.app.state.gold
    known: Symbols = request.app.state.symbols
    bars, told = await run_sync(known.now)
    return shown(request, [gold["gold.forecasts"], bars], names(gold, told))


def names(gold: Gold, told: Mapping[str, frozenset[tuple[str, str]]]) -> dict[str, object]:
    """The lists."""
    return {
        "commodities": [
            {"commodity": good.id, "name": good.name, "unit": good.unit, "aliases": list(good.aliases), "is_group": good.is_group}
            for good in commodities().values()
        ],
        "regions": [{"code": place.code, "name": place.name, "timezone": place.timezone} for place in provinces().values()],
        "symbols": [{"symbol": name, "asset_class": sort} for name, sort in sorted(frozenset().union(*told.values()))],
        "models": sorted({BASELINE, *served(gold["gold.forecasts"]).models()}),
    }
