"""The champion's forecast of the next seven days, and its confidence."""

from dataclasses import replace
from typing import Annotated, Any

import pyarrow.compute as pc
from fastapi import Query, Response

from serving_api.http.path_parameters import CommodityInPath
from serving_api.http.router import Router
from serving_api.reads.forecasts import served_forecasts
from serving_api.reads.names import forecast_commodity, region_of
from serving_api.reads.predictions import HORIZON_DAYS, LEVEL, PredictionRequest, as_of, predict
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import CurrentResponses, Responses
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.forecasts import (
    Confidence,
    Forecast,
    ForecastQuery,
    RegionQuery,
)
from serving_api.schemas.problem import problems

router = Router(tags=["forecasts"])
FORECAST = ("commodity", "region", "provider", "unit", "origin_date", "issued_at", "horizon_days")
LEVELS = (0.8, 0.95)
MEASURED = ("coverage_80", "wape_pct", "origins")


@router.get(
    "/api/public/forecast",
    response_model=Forecast,
    responses=problems(404),
    summary="Forecast of the next seven days",
)
async def get_forecast(query: Annotated[ForecastQuery, Query()], responses: CurrentResponses) -> Response:
    """The champion's forecast for a province or the nation.

    Where no model has passed the gate, the champion is naive (the last price), and `meta.model.reason` says
    why. Days are counted from the last day with known prices.
    """
    return forecast_response(responses, query.commodity, query.region)


@router.get(
    "/api/forecast/confidence",
    response_model=Confidence,
    responses=problems(404),
    summary="Confidence of the forecast",
)
async def get_forecast_confidence(
    query: Annotated[ForecastQuery, Query()], responses: CurrentResponses
) -> Response:
    """The champion's confidence for the seventh day, with the figures of its backtest.

    Confidence is the probability that the price is within 10 % of its forecast.
    """
    snapshots = responses.snapshots
    item, model, request = champion_forecast(snapshots, query.commodity, query.region)
    accuracy = snapshots["gold.model_accuracy"]
    measured = backtest_figures(accuracy, request, model["name"])
    body = {
        **{name: item[name] for name in ("commodity", "region", "origin_date", "issued_at", "confidence")},
        "interval_level": LEVEL,
        "coverage": measured["coverage_80"],
        "wape_pct": measured["wape_pct"],
        "origins": measured["origins"] or 0,
    }
    demo = from_simulated(snapshots, [item["commodity"]])
    tables = [snapshots["gold.forecasts"], accuracy]
    return responses.item(tables, body, demo=demo, model=model, as_of=as_of(item))


@router.get(
    "/api/forecast/{commodity}",
    response_model=Forecast,
    summary="Forecast of the next seven days for one commodity",
)
async def get_commodity_forecast(
    commodity: CommodityInPath,
    query: Annotated[RegionQuery, Query()],
    responses: CurrentResponses,
) -> Response:
    """The same response as /api/public/forecast."""
    return forecast_response(responses, commodity, query.region)


def champion_forecast(
    snapshots: Snapshots, commodity: str, region: str | None
) -> tuple[dict[str, Any], dict[str, Any], PredictionRequest]:
    """(prediction, model, request with resolved names). Raises Problem 404 or 503."""
    code, name = region_of(region)
    served = served_forecasts(snapshots["gold.forecasts"])
    request = PredictionRequest(forecast_commodity(commodity, served, code), code, name)
    item, model, _ = predict(served, request)
    return item, model, request


def forecast_response(responses: Responses, commodity: str, region: str | None) -> Response:
    """The response of both addresses. Raises Problem 404, 406 or 503."""
    item, model, request = champion_forecast(responses.snapshots, commodity, region)
    forecasts = responses.snapshots["gold.forecasts"]
    served = served_forecasts(forecasts)
    days = [
        {name: value for name, value in day.items() if name != "confidence"} for day in item["predictions"]
    ]
    body = {
        **{name: item[name] for name in FORECAST},
        "levels": [level_of(predict(served, replace(request, level=level))[0], level) for level in LEVELS],
        "forecast": days,
        "interval_level": LEVEL,
        "confidence": item["confidence"],
    }
    demo = from_simulated(responses.snapshots, [item["commodity"]])
    return responses.item([forecasts], body, demo=demo, model=model, as_of=as_of(item))


def level_of(item: dict[str, Any], level: float) -> dict[str, Any]:
    """The interval of a level, an element per day."""
    ends = {side: [day[f"{side}_idr"] for day in item["predictions"]] for side in ("lower", "upper")}
    return {"level": level, **ends}


def backtest_figures(snapshot: Snapshot, request: PredictionRequest, model: str) -> dict[str, Any]:
    """The figures of a model at a horizon of seven days; nulls before it is measured."""
    condition = (
        (pc.field("commodity") == request.commodity)
        & (pc.field("region_code") == request.region_code)
        & (pc.field("model") == model)
        & (pc.field("horizon_days") == HORIZON_DAYS)
        & (pc.field("kind") == "backtest")
    )
    rows = snapshot.cached(
        ("measured", request, model),
        lambda: snapshot.rows.filter(condition).select(list(MEASURED)).to_pylist(),
    )
    return rows[0] if rows else dict.fromkeys(MEASURED)
