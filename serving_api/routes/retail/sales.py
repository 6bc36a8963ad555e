"""Revenue of a product as a function of its price, by the demand curves of the sales model."""

from typing import Any

import numpy as np
from fastapi import Response

from lakehouse.event import Fault
from lakehouse.sales import TARGETS, best_price, price_curve
from lakehouse.translation import in_language
from serving_api.http.dependencies import KNOWN_CALLER
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid_fields
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
from serving_api.schemas.retail.price_curve import PriceCurve, PriceCurveBody

router = Router(prefix="/api/v1/retail", tags=["retail"])
CURVE = "demand"
SIGNAL = "prices explain sales: the curve beats the median on products not seen"
NO_SIGNAL = (
    "no signal: the curve does not beat the median on products not seen, so do not follow its best price"
)


@router.post(
    "/price-curve",
    response_model=PriceCurve,
    responses=problems(404),
    summary="Units and revenue of a product by its price",
    dependencies=[KNOWN_CALLER],
)
def retail_price_curve(
    body: PriceCurveBody,
    sales_model: Shared[SalesModels],
    snapshots: Shared[Snapshots],
    responses: CurrentResponses,
) -> Response:
    """The best price is one that the shop has had: outside the observed prices the curve is a guess."""
    prices = {"price_min": body.price_min, "price_max": body.price_max}
    shop = shop_of(snapshots["gold.revenue"], body.shop)
    require_within_settings(prices, body.rating, shop)
    if body.price_min >= body.price_max:
        text = message("price_order", low=f"{body.price_min:g}", high=f"{body.price_max:g}")
        raise invalid_fields([Fault("/price_max", "price_order", text)])
    model = sales_model.load(shop)
    category = category_of(body.category, model)
    if model is None or CURVE not in model:
        raise Problem("model-unavailable", name=MODEL_NAME, reason=message("sales_untrained"))
    signal = model["demand_skill_low"] > 0
    curve = curve_of(model[CURVE], body, category)
    verdict = in_language(SIGNAL if signal else NO_SIGNAL, responses.language)
    target = model.get("target", TARGETS[0])
    return responses.personal(
        [],
        {**curve, "signal": signal, "verdict": verdict, "target": target, "category": category},
        model=model_provenance(model, CURVE, signal),
    )


def curve_of(demand: dict[str, Any], given: PriceCurveBody, category: str) -> dict[str, Any]:
    """The points and the best price. Raises Problem 422 where no requested price was observed."""
    observed = demand.get(category, demand[""])
    low = max(given.price_min, observed["price_low"])
    high = min(given.price_max, observed["price_high"])
    if low > high:
        text = message(
            "price_not_observed", low=f"{observed['price_low']:g}", high=f"{observed['price_high']:g}"
        )
        raise invalid_fields([Fault("/price_min", "price_not_observed", text)])
    product = {
        "discount_pct": given.discount_percentage,
        "rating": given.rating,
        "num_reviews": float(given.num_reviews),
    }
    prices = np.linspace(given.price_min, given.price_max, given.steps)
    curve = price_curve(demand, product, category, prices)
    names = {
        "predicted_sales": "units",
        "sales_low": "units_low",
        "sales_high": "units_high",
        "revenue": "revenue",
        "revenue_low": "revenue_low",
        "revenue_high": "revenue_high",
    }
    points = [
        {"price": float(price)} | {name: float(curve[column][number]) for name, column in names.items()}
        for number, price in enumerate(prices)
    ]
    best, best_low, best_high = best_price(demand, product, category, low, high)
    return {
        "points": points,
        "best_price": best,
        "best_price_low": best_low,
        "best_price_high": best_high,
        "observed_low": observed["price_low"],
        "observed_high": observed["price_high"],
    }
