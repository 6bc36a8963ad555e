"""Likely sales of a product, by the champion among the sales models."""

from typing import Annotated, Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Response

from conf.settings import settings
from lakehouse.event import Fault
from lakehouse.identity.roles import Principal
from lakehouse.reference import category_aliases, matching_key
from lakehouse.sales import INPUTS, predict
from serving_api.http import metrics
from serving_api.http.callers import principal_of
from serving_api.http.dependencies import CurrentResponses, CurrentSalesModel
from serving_api.http.messages import message
from serving_api.http.openapi import request_body
from serving_api.http.problems import Problem, invalid, invalid_fields
from serving_api.http.request_bodies import JsonBody, json_body
from serving_api.schemas.problem import problems
from serving_api.schemas.sales import SalesBody, SalesPrediction

router = APIRouter(prefix="/predict", tags=["retail"])
MODEL_NAME = "sales"


@router.post(
    "/sales",
    response_model=SalesPrediction,
    responses=problems(400, 401, 413, 415, 422, 503),
    openapi_extra=request_body(SalesBody),
    summary="Likely sales of a product",
)
async def predict_sales(
    body: Annotated[JsonBody[Principal | None, SalesBody], json_body(SalesBody, principal_of)],
    sales_model: CurrentSalesModel,
    responses: CurrentResponses,
) -> Response:
    """`meta.model` names the model, which may be a plain median where no other model has passed the gate."""
    require_within_settings(body.value)
    model = await run_sync(sales_model.load)
    category = category_of(body.value.category, model)
    if model is None:
        raise Problem("model-unavailable", name=MODEL_NAME, reason=message("sales_untrained"))
    prediction = await run_sync(predict_product, model, body.value, category)
    metrics.PREDICTIONS.labels("false").inc()
    provenance = {
        "name": model["kind"],
        "version": model.get("trained_at", "0"),
        "run_id": model.get("run_id", "none"),
        "alias": "champion" if model["members"] else "baseline",  # a median serves where none passed
        "trained_on": {"silver.listings": model["data_version"]} if "data_version" in model else {},
        "reason": model.get("reason"),
    }
    return responses.computed([], {**prediction, "category": category}, model=provenance)


def require_within_settings(body: SalesBody) -> None:
    """The same bounds as in the stream's rules for listings. Raises Problem 422."""
    knobs = settings().validation
    bounds = {
        "price": (body.price, knobs.retail_price_min, knobs.retail_price_max),
        "rating": (body.rating, knobs.retail_rating_min, knobs.retail_rating_max),
    }
    faults = [
        Fault(f"/{name}", f"{name}_range", f"{name} {given:g} is outside {low:g} to {high:g}")
        for name, (given, low, high) in bounds.items()
        if not low <= given <= high
    ]
    if faults:
        raise invalid_fields(faults)


def category_of(given: str, model: dict[str, Any] | None) -> str:
    """The category's name in the reference list, else in the model. Raises Problem 422."""
    in_model = (
        {matching_key(name): name for name in (*model["categories"], *model["levels"])} if model else {}
    )
    name = category_aliases().get(matching_key(given)) or in_model.get(matching_key(given))
    if name is None:
        raise invalid("/category", "unknown_category", f"there is no category '{given[:60]}'")
    return name


def predict_product(model: dict[str, Any], body: SalesBody, category: str) -> dict[str, float]:
    """The prediction. Raises Problem 503 when the model has too few past errors for an interval."""
    values = (body.price, body.discount_percentage, body.rating, float(body.num_reviews))
    inputs = {name: np.array([value]) for name, value in zip(INPUTS, values, strict=True)}
    predictions = predict(model, inputs, [category])
    units, lower, upper, confidence = (
        float(predictions[name][0]) for name in ("units", "lower", "upper", "confidence")
    )
    if not np.isfinite([units, lower, upper]).all():
        raise Problem("model-unavailable", name=MODEL_NAME, reason=message("sales_errors_few"))
    return {
        "predicted_sales": round(units, 2),
        "lower": round(lower, 2),
        "upper": round(upper, 2),
        "interval_level": model["interval_level"],
        "confidence": round(confidence, 4),
    }
