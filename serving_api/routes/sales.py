"""Likely sales of a product, by the champion among the sales models."""

from typing import Any

import numpy as np
from fastapi import Response

from lakehouse.sales import INPUTS, TARGETS, predict
from serving_api.http import metrics
from serving_api.http.dependencies import KNOWN_CALLER
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.retail.categories import shop_of
from serving_api.reads.retail.sales_inputs import (
    MODEL_NAME,
    category_of,
    model_provenance,
    require_within_settings,
)
from serving_api.reads.sales_model import SalesModels
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.problem import problems
from serving_api.schemas.sales import SalesBody, SalesPrediction

router = Router(prefix="/predict", tags=["retail"])


@router.post(
    "/sales",
    response_model=SalesPrediction,
    responses=problems(404),
    summary="Likely sales of a product",
    dependencies=[KNOWN_CALLER],
)
def predict_sales(
    body: SalesBody,
    sales_model: Shared[SalesModels],
    snapshots: Shared[Snapshots],
    responses: CurrentResponses,
) -> Response:
    """`meta.model` names the model, which may be a plain median where no other model has passed the gate."""
    shop = shop_of(snapshots["gold.revenue"], body.shop)
    require_within_settings({"price": body.price}, body.rating, shop)
    model = sales_model.load(shop)
    category = category_of(body.category, model)
    if model is None:
        raise Problem("model-unavailable", name=MODEL_NAME, reason=message("sales_untrained"))
    prediction = predict_product(model, body, category)
    metrics.PREDICTIONS.labels("false").inc()
    provenance = model_provenance(model, model["kind"], passed=bool(model["members"]))
    return responses.personal([], {**prediction, "category": category}, model=provenance)


def predict_product(model: dict[str, Any], body: SalesBody, category: str) -> dict[str, float | str]:
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
        "target": model.get("target", TARGETS[0]),
    }
