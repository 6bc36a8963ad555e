"""Predictions with options, one or many; read from materialised forecasts, never computed by a model here."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from conf.settings import settings
from lakehouse.reference import markets, provinces
from serving_api.access import role_of
from serving_api.answers import JSON, PRIVATE, accepts, meta
from serving_api.bodies import document, shaped
from serving_api.forecasts import Served, served
from serving_api.gold import Gold
from serving_api.names import area, known_market, single_good
from serving_api.predictions import Question, predicted
from serving_api.problems import CATALOGUE, Problem, indonesian, invalid
from serving_api.routes.decisions import body_of
from serving_api.routes.forecasts import made_from_simulated
from serving_api.shapes import problems
from serving_api.shapes_forecast import BatchAnswer, BatchBody, BatchMember, PredictBody, Prediction

router = APIRouter(prefix="/api/v1/predict", tags=["predictions"])


@router.post(
    "/price/{commodity}",
    responses={200: {"model": Prediction}, **problems(400, 401, 404, 413, 415, 422, 503)},
    openapi_extra=body_of(PredictBody),
    summary="Predicted prices of a commodity",
)
async def predict(request: Request, commodity: str) -> Response:
    """Up to 30 days, as far as the model looks. `interval_level` 0.8 and 0.95 are measured, others interpolated between them."""
    accepts(request, "application/json")
    given = await document(request, role_of)
    asked = given.shaped(PredictBody)
    gold: Gold = request.app.state.gold
    code, name = area_of_body(gold, asked.region, asked.market_id)
    question = Question(single_good(commodity), code, name, asked.horizon_days, asked.model, asked.interval_level)
    snapshot = gold["gold.forecasts"]
    item, model, hit = predicted(served(snapshot), question)
    said = {**item, "cached": hit, "meta": meta(request, [snapshot], None, made_from_simulated(gold), model)}
    return Response(orjson.dumps(said), headers={"Cache-Control": PRIVATE}, media_type=JSON)


def area_of_body(gold: Gold, region: str | None, market_id: str | None = None) -> tuple[str, str]:
    """(code, name) of the province that a body names, itself or by a market. Raises Problem 422: it is no address."""
    try:
        named = area(region)
    except Problem:
        raise invalid("/region", "unknown_region", f"no province has the name or code '{(region or '')[:60]}'") from None
    if market_id is None:
        return named
    code = code_of_market(gold, market_id)
    if region is not None and named[0] != code:
        raise invalid("/region", "region_agrees", f"region '{region[:60]}' is not where market '{market_id[:64]}' lies")
    return code, provinces()[code].name


def good_of_body(name: str) -> str:
    """The commodity that a body names; a group's representative. Raises Problem 422: it is no address."""
    try:
        return single_good(name)
    except Problem:
        raise invalid("/commodity", "unknown_commodity", f"no commodity is called '{name[:60]}'") from None


def code_of_market(gold: Gold, market_id: str) -> str:
    """The province of a market that is listed or has reported. Raises Problem 422."""
    try:
        known_market(gold, market_id)
    except Problem:
        raise invalid("/market_id", "unknown_market", f"no market has the id '{market_id[:64]}'") from None
    if market_id in markets():
        return markets()[market_id].region_code
    snapshot = gold["gold.markets"]
    assert snapshot.rows is not None
    places = dict(zip(snapshot.rows["market_id"].to_pylist(), snapshot.rows["region_code"].to_pylist(), strict=True))
    if market_id not in places:
        raise invalid("/market_id", "unknown_market", f"market '{market_id[:64]}' has reported no price")
    code: str = places[market_id]
    return code


@router.post(
    "/batch",
    responses={200: {"model": BatchAnswer}, **problems(400, 401, 413, 415, 422, 503)},
    openapi_extra=body_of(BatchBody),
    summary="Many predictions at once",
)
async def predict_batch(request: Request) -> Response:
    """Each member is answered as it would be alone; what is wrong with one stands in its `problem`. `meta.model` names the model
    when one spoke for all."""
    accepts(request, "application/json")
    given = await document(request, role_of, settings().api.batch_max_bytes)
    asked = given.shaped(BatchBody)
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.forecasts"]
    models: dict[str, dict[str, Any]] = {}
    known, language = served(snapshot), "id" if indonesian(request) else "en"
    results = [{"index": index} | member(gold, known, one, models, language) for index, one in enumerate(asked.requests)]
    good = sum(result["ok"] for result in results)
    model = next(iter(models.values())) if len(models) == 1 else None
    said = {
        "results": results,
        "succeeded": good,
        "failed": len(results) - good,
        "meta": meta(request, [snapshot], None, made_from_simulated(gold), model),
    }
    return Response(orjson.dumps(said), headers={"Cache-Control": PRIVATE}, media_type=JSON)


def member(gold: Gold, known: Served, given: Any, models: dict[str, dict[str, Any]], language: str) -> dict[str, Any]:
    """The result of one member; the model that spoke is added to `models`."""
    try:
        asked = shaped(given, BatchMember)
        code, name = area_of_body(gold, asked.region)
        item, model, hit = predicted(known, Question(single_good(asked.commodity), code, name, asked.horizon_days, asked.model))
    except Problem as problem:
        title = CATALOGUE[problem.slug][language]["title"]
        told = {"type": f"/problems/{problem.slug}", "title": title, "status": problem.status}
        return {"ok": False, "prediction": None, "problem": told}
    models[repr(model)] = model
    return {"ok": True, "prediction": {**item, "cached": hit}, "problem": None}
