"""How much of a product is likely to be sold: the champion among the sales models, loaded from its file."""

from typing import Any

import numpy as np
import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response

from conf.settings import settings
from lakehouse.event import Fault
from lakehouse.reference import category_aliases, matching_key
from lakehouse.sales import INPUTS, predicted
from serving_api import metrics
from serving_api.access import role_of
from serving_api.answers import JSON, PRIVATE, accepts, meta
from serving_api.bodies import document
from serving_api.problems import Problem, invalid
from serving_api.routes.decisions import body_of
from serving_api.sales_model import SalesModel
from serving_api.shapes import problems
from serving_api.shapes_sales import SalesBody, SalesPredicted

router = APIRouter(prefix="/predict", tags=["retail"])
NAME = "sales"


@router.post(
    "/sales",
    responses={200: {"model": SalesPredicted}, **problems(400, 401, 413, 415, 422, 503)},
    openapi_extra=body_of(SalesBody),
    summary="Likely sales of a product",
)
async def sales(request: Request) -> Response:
    """`meta.model` names what speaks, which may be a plain median where no model has proved better."""
    accepts(request, "application/json")
    asked = (await document(request, role_of)).shaped(SalesBody)
    within_knobs(asked)
    known: SalesModel = request.app.state.sales
    model = await run_sync(known.now)
    category = category_of(asked.category, model)
    if model is None:
        raise Problem("model-unavailable", name=NAME, why="it has not been trained yet")
    said = await run_sync(answer, model, asked, category)
    metrics.PREDICTIONS.labels("false").inc()
    provenance = {
        "name": model["kind"],
        "version": model.get("trained_at", "0"),
        "run_id": model.get("run_id", "none"),
        "alias": "champion",
        "trained_on": {"silver.listings": model["data_version"]} if "data_version" in model else {},
        "reason": model.get("reason"),
    }
    body = {**said, "category": category, "meta": meta(request, [], None, False, provenance)}
    return Response(orjson.dumps(body), headers={"Cache-Control": PRIVATE}, media_type=JSON)


def within_knobs(asked: SalesBody) -> None:
    """The same bounds as the stream's rules for listings. Raises Problem 422."""
    knobs = settings().validation
    bounds = {
        "price": (asked.price, knobs.retail_price_min, knobs.retail_price_max),
        "rating": (asked.rating, knobs.retail_rating_min, knobs.retail_rating_max),
    }
    wrong = [
        Fault(f"/{name}", f"{name}_range", f"{name} {given:g} lies outside {low:g} to {high:g}")
        for name, (given, low, high) in bounds.items()
        if not low <= given <= high
    ]
    if wrong:
        raise Problem("validation", wrong, why="; ".join(fault.message for fault in wrong))


def category_of(given: str, model: dict[str, Any] | None) -> str:
    """The category's name in the reference list, else as the model has learned it. Raises Problem 422."""
    found = category_aliases().get(matching_key(given))
    learned = {matching_key(name): name for name in (*model["categories"], *model["levels"])} if model else {}
    name = found or learned.get(matching_key(given))
    if name is None:
        raise invalid("/category", "unknown_category", f"no category is called '{given[:60]}'")
    return name


def answer(model: dict[str, Any], asked: SalesBody, category: str) -> dict[str, float]:
    """The prediction. Raises Problem 503 when the model's past errors are too few for an interval."""
    given = (asked.price, asked.discount_percentage, asked.rating, float(asked.num_reviews))
    said = predicted(model, {name: np.array([value]) for name, value in zip(INPUTS, given, strict=True)}, [category])
    units, lower, upper, confidence = (float(said[name][0]) for name in ("units", "lower", "upper", "confidence"))
    if not np.isfinite([units, lower, upper]).all():
        raise Problem("model-unavailable", name=NAME, why="its past errors are too few for an interval")
    return {
        "predicted_sales": round(units, 2),
        "lower": round(lower, 2),
        "upper": round(upper, 2),
        "interval_level": model["interval_level"],
        "confidence": round(confidence, 4),
    }
