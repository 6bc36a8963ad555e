"""Predictions with options, one or many. They are read from materialised forecasts; no model runs here."""

from typing import Any

from fastapi import Response
from pydantic import ValidationError

from lakehouse.translation import Language
from serving_api.http.dependencies import KNOWN_CALLER
from serving_api.http.path_parameters import CommodityInPath
from serving_api.http.problems import Problem, from_validation_errors, summary_of
from serving_api.http.router import LARGE_BODY, Router
from serving_api.reads.forecasts import ServedForecasts, served_forecasts
from serving_api.reads.names import forecast_commodity, region_in_body
from serving_api.reads.predictions import PredictionRequest, as_of, predict
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.predictions import (
    BatchBody,
    BatchMember,
    BatchPrediction,
    Prediction,
    PredictionBody,
)

router = Router(prefix="/api/v1/predict", tags=["predictions"])


@router.post(
    "/price/{commodity}",
    response_model=Prediction,
    summary="Predicted prices of a commodity",
    dependencies=[KNOWN_CALLER],
)
async def predict_price(
    commodity: CommodityInPath,
    body: PredictionBody,
    responses: CurrentResponses,
) -> Response:
    """Up to 30 days, if the model forecasts that many.

    Intervals of 80 and 95 % are measured, others interpolated.
    """
    code, name = region_in_body(responses.snapshots, body.region, body.market_id)
    snapshot = responses.snapshots["gold.forecasts"]
    served = served_forecasts(snapshot)
    commodity_id = forecast_commodity(commodity, served, code)
    request = PredictionRequest(commodity_id, code, name, body.horizon_days, body.model, body.interval_level)
    item, model, cached = predict(served, request)
    demo = from_simulated(responses.snapshots, [item["commodity"]])
    prediction = {**item, "cached": cached}
    return responses.personal([snapshot], prediction, demo=demo, model=model, as_of=as_of(item))


@router.post(
    "/batch",
    response_model=BatchPrediction,
    openapi_extra=LARGE_BODY,
    summary="Many predictions at once",
    dependencies=[KNOWN_CALLER],
)
async def predict_batch(body: BatchBody, responses: CurrentResponses) -> Response:
    """Each member has the result that it would have alone; its `problem` says why it failed.

    `meta.model` names the model if all members used the same one.
    """
    snapshots = responses.snapshots
    snapshot = snapshots["gold.forecasts"]
    served = served_forecasts(snapshot)
    language = responses.language
    models: dict[str, dict[str, Any]] = {}
    results = [
        {"index": index} | predict_member(snapshots, served, member, models, language)
        for index, member in enumerate(body.requests)
    ]
    succeeded = sum(result["ok"] for result in results)
    item = {"results": results, "succeeded": succeeded, "failed": len(results) - succeeded}
    model = next(iter(models.values())) if len(models) == 1 else None
    predictions = [result["prediction"] for result in results if result["ok"]]
    demo = from_simulated(snapshots, (prediction["commodity"] for prediction in predictions))
    newest = max((as_of(prediction) for prediction in predictions), default=None)
    return responses.personal([snapshot], item, demo=demo, model=model, as_of=newest)


def valid_member(given: Any) -> BatchMember:
    """The member of a batch. Raises Problem 422 with every fault."""
    try:
        return BatchMember.model_validate(given)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise from_validation_errors(faults) from None


def predict_member(
    snapshots: Snapshots,
    served: ServedForecasts,
    given: Any,
    models: dict[str, dict[str, Any]],
    language: Language,
) -> dict[str, Any]:
    """The result of one member; the model that it used is added to `models`."""
    try:
        member = valid_member(given)
        code, name = region_in_body(snapshots, member.region)
        commodity = forecast_commodity(member.commodity, served, code)
        request = PredictionRequest(commodity, code, name, member.horizon_days, member.model)
        item, model, cached = predict(served, request)
    except Problem as problem:
        return {"ok": False, "prediction": None, "problem": summary_of(problem, language)}
    models[repr(model)] = model
    return {"ok": True, "prediction": {**item, "cached": cached}, "problem": None}
