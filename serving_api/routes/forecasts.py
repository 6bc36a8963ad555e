"""Forecasts of the next seven days by the champion, and how far they can be trusted."""

from typing import Annotated, Any

import pyarrow.compute as pc
from fastapi import APIRouter, Query, Request, Response

from serving_api.answers import accepts, shown
from serving_api.forecasts import served
from serving_api.gold import Gold, Snapshot
from serving_api.names import area, single_good
from serving_api.predictions import DAYS, LEVEL, Question, predicted
from serving_api.routes.prices import simulated
from serving_api.shapes import problems
from serving_api.shapes_forecast import Confidence, Forecast, ForecastAsked, ForecastOfPath

router = APIRouter(tags=["forecasts"])
MEASURED = ("coverage_80", "wape_pct", "origins")


def made_from_simulated(gold: Gold) -> bool:
    """Whether simulated prices are among those that are forecast."""
    live = gold["gold.live_prices"]
    return bool(live.cached("demo", lambda: [simulated(live)])[0])


def champions(request: Request, commodity: str, region: str | None) -> tuple[dict[str, Any], dict[str, Any], Question]:
    """(prediction, model, what was asked). Raises Problem 404 or 503."""
    gold: Gold = request.app.state.gold
    good, (code, name) = single_good(commodity), area(region)
    asked = Question(good, code, name)
    item, model, _ = predicted(served(gold["gold.forecasts"]), asked)
    return item, model, asked


def forecast_answer(request: Request, commodity: str, region: str | None) -> Response:
    """The one object of both addresses."""
    accepts(request, "application/json")
    gold: Gold = request.app.state.gold
    item, model, _ = champions(request, commodity, region)
    days = [{name: value for name, value in day.items() if name != "confidence"} for day in item["predictions"]]
    said = {name: item[name] for name in ("commodity", "region", "unit", "horizon_days")}
    said |= {"forecast": days, "interval_level": LEVEL, "confidence": item["confidence"]}
    return shown(request, [gold["gold.forecasts"]], said, demo=made_from_simulated(gold), model=model)


@router.get(
    "/api/public/forecast", response_model=Forecast, responses=problems(404, 422, 503), summary="Prices of the next seven days"
)
async def forecast(request: Request, query: Annotated[ForecastAsked, Query()]) -> Response:
    """The champion's forecast for a province or the nation. Where no model has proved itself, the champion is naive (the last
    price stays), and `meta.model.reason` says why. Days count from the last one with known prices."""
    return forecast_answer(request, query.commodity, query.region)


@router.get(
    "/api/forecast/confidence", response_model=Confidence, responses=problems(404, 422, 503), summary="How sure the forecast is"
)
async def confidence(request: Request, query: Annotated[ForecastAsked, Query()]) -> Response:
    """The champion's chance to land within 10 % a week ahead, beside what its backtest measured at that distance."""
    accepts(request, "application/json")
    gold: Gold = request.app.state.gold
    item, model, asked = champions(request, query.commodity, query.region)
    snapshots = [gold["gold.forecasts"], gold["gold.model_accuracy"]]
    row = measured(snapshots[1], asked, model["name"])
    said = {
        **{name: item[name] for name in ("commodity", "region", "confidence")},
        "interval_level": LEVEL,
        "coverage": row["coverage_80"],
        "wape_pct": row["wape_pct"],
        "origins": row["origins"] or 0,
    }
    return shown(request, snapshots, said, demo=made_from_simulated(gold), model=model)


def measured(snapshot: Snapshot, asked: Question, model: str) -> dict[str, Any]:
    """The backtest's figures of a model a week ahead; nulls before there are any."""
    assert snapshot.rows is not None
    wanted = (pc.field("commodity") == asked.commodity) & (pc.field("region_code") == asked.region_code)
    wanted &= (pc.field("model") == model) & (pc.field("horizon_days") == DAYS) & (pc.field("kind") == "backtest")
    rows = snapshot.rows

    def find() -> dict[str, Any]:
        found = rows.filter(wanted).select(list(MEASURED)).to_pylist()
        return found[0] if found else dict.fromkeys(MEASURED)

    row: dict[str, Any] = snapshot.cached(("measured", asked, model), find)
    return row


@router.get(
    "/api/forecast/{commodity}",
    response_model=Forecast,
    responses=problems(404, 422, 503),
    summary="Prices of the next seven days of one commodity",
)
async def forecast_of(request: Request, commodity: str, query: Annotated[ForecastOfPath, Query()]) -> Response:
    """The same object as /api/public/forecast."""
    return forecast_answer(request, commodity, query.region)
