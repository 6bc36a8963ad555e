"""The sales model of a shop: likely sales and revenue by price, and what is known about the model."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import numpy as np
import pyarrow.compute as pc
from fastapi import Query, Response

from conf.settings import settings
from lakehouse.event import Fault
from lakehouse.reference import category_aliases, matching_key
from lakehouse.sales import (
    INPUTS,
    TARGETS,
    UnitsAt,
    best_price,
    model_name,
    predict,
    price_curve,
    units_by_demand,
    units_by_elasticity,
)
from lakehouse.shop import bounds_of
from lakehouse.translation import in_language
from serving_api.http import metrics
from serving_api.http.dependencies import KNOWN_CALLER
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid, invalid_fields
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.provenance import model_meta
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.retail.categories import currency_of, is_simulated, items_of, shop_names, shop_of
from serving_api.reads.sales_model import SalesModels
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.problem import problems
from serving_api.schemas.retail.analytics import ShopList, ShopQuery
from serving_api.schemas.retail.sales import (
    FeatureShare,
    LeakRow,
    PriceCurve,
    PriceCurveBody,
    SalesBody,
    SalesModelReport,
    SalesPrediction,
    SplitScores,
)

router = Router(tags=["retail"])
MODEL_NAME = "sales"
PUBLISHED_R2 = 0.9832  # of a system for such a shop; its inputs held a column computed from the sales
MEDIANS = ("overall_median", "category_median")
CURVE = "demand"
BEYOND = 0.1  # of the observed prices
POINT = {"predicted_sales": "units", "sales_low": "units_low", "sales_high": "units_high"} | {
    f"{aim}{end}": f"{aim}{end}" for aim in ("revenue", "profit") for end in ("", "_low", "_high")
}
ELASTIC = "the elasticity was measured: units fall as the price rises"
NOT_ELASTIC = "no signal: the units may as well not follow the price, so do not follow the best price"
SIGNAL = "prices explain sales: the curve beats the median on products not seen"
NO_SIGNAL = (
    "no signal: the curve does not beat the median on products not seen, so do not follow its best price"
)


def require_within_settings(prices: Mapping[str, float], rating: float, shop: str) -> None:
    """The same bounds as in the stream's rules for listings. `prices`: by field. Raises Problem 422."""
    knobs = settings().rule_values()
    bounds = dict.fromkeys(prices, bounds_of(shop, "price", knobs))
    given = {**prices, "rating": rating}
    bounds["rating"] = bounds_of(shop, "rating", knobs)
    faults = [
        Fault(f"/{name}", f"{name}_range", f"{name} {given[name]:g} is outside {low:g} to {high:g}")
        for name, (low, high) in bounds.items()
        if not low <= given[name] <= high
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


def model_provenance(model: dict[str, Any], name: str, passed: bool) -> dict[str, Any]:
    """`meta.model` of an answer by the model file. `passed`: whether it beats the medians."""
    version, run_id = model.get("trained_at", "0"), model.get("run_id", "none")
    alias = "champion" if passed else "baseline"
    trained_on = {"silver.listings": model["data_version"]} if "data_version" in model else {}
    return model_meta(name, version, alias, trained_on, run_id, reason=model.get("reason"))


def data_until(model: dict[str, Any]) -> datetime | None:
    """Beginning of the day of the newest listing behind a model; None of a file that does not name it."""
    day = model.get("data_until")
    return datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None


@router.post(
    "/api/v1/retail/price-curve",
    response_model=PriceCurve,
    responses=problems(404),
    summary="Units, revenue and profit of a product by its price",
    dependencies=[KNOWN_CALLER],
)
def retail_price_curve(
    body: PriceCurveBody,
    sales_model: Shared[SalesModels],
    responses: CurrentResponses,
) -> Response:
    """By the measured elasticity, else by a curve fitted to the sales; 10 % beyond the observed prices."""
    prices = {"price_min": body.price_min, "price_max": body.price_max}
    shop = shop_of(responses.snapshots["gold.revenue"], body.shop)
    require_within_settings(prices, body.rating, shop)
    if body.price_min >= body.price_max:
        text = message("price_order", low=f"{body.price_min:g}", high=f"{body.price_max:g}")
        raise invalid_fields([Fault("/price_max", "price_order", text)])
    model = sales_model.load(shop)
    category = category_of(body.category, model)
    law = law_of(responses.snapshots.open_newest("gold.price_elasticity"), shop, category, body.product_id)
    if law and law["verdict"] == "measured":
        signal = law["elasticity_high"] < 0
        verdict = ELASTIC if signal else NOT_ELASTIC
        units_at = partial(units_by_elasticity, law, body.discount_percentage)
        item = curve_of(units_at, body, law["price_low"], law["price_high"])
        item |= {"basis": "elasticity", "elasticity": law["elasticity"], "target": TARGETS[1]}
        trained_on = {"silver.listings": law["data_version"]}
        measured_at = law["measured_at"].isoformat()
        alias = "champion" if signal else "baseline"
        provenance = model_meta("elasticity", measured_at, alias, trained_on, law["run_id"])
    elif model is None or CURVE not in model:
        raise Problem("model-unavailable", name=MODEL_NAME, reason=message("sales_untrained"))
    else:
        signal = model["demand_skill_low"] > 0
        verdict = SIGNAL if signal else NO_SIGNAL
        product = {"discount_pct": body.discount_percentage, "rating": body.rating}
        product["num_reviews"] = float(body.num_reviews)
        observed = model[CURVE].get(category, model[CURVE][""])
        units_at = partial(units_by_demand, model[CURVE], product, category)
        item = curve_of(units_at, body, observed["price_low"], observed["price_high"])
        item |= {"basis": "demand", "elasticity": None, "target": model.get("target", TARGETS[0])}
        provenance = model_provenance(model, CURVE, signal)
    unknown = item["at_edge"] or not signal or item["basis"] == "demand"
    item |= {
        "signal": signal,
        "verdict": in_language(verdict, responses.language),
        "test_days": law["test_days"] if law and unknown else None,
        "product_id": body.product_id,
        "category": category,
    }
    return responses.personal([], item, model=provenance, as_of=data_until(model) if model else None)


def law_of(laws: Snapshot, shop: str, category: str, product: int | None) -> dict[str, Any] | None:
    """The row of gold.price_elasticity of the product, or of the category; None where nothing was measured.

    Raises Problem 404 for an unknown product.
    """
    own = (pc.field("shop") == shop) & (pc.field("category") == category)
    number = product or 0
    rows: list[dict[str, Any]] = laws.cached(
        ("law", shop, category, number),
        lambda: laws.read(own & (pc.field("product_id") == number)).to_pylist(),
    )
    if product and not rows:
        raise Problem("unknown-product", name=str(product), category=category)
    return rows[0] if rows else None


def curve_of(
    units_at: UnitsAt, given: PriceCurveBody, observed_low: float, observed_high: float
) -> dict[str, Any]:
    """The points and the best price. Raises Problem 422 where no requested price was nearly observed."""
    low = max(given.price_min, (1 - BEYOND) * observed_low)
    high = min(given.price_max, (1 + BEYOND) * observed_high)
    if low > high:
        text = message("price_not_observed", low=f"{observed_low:g}", high=f"{observed_high:g}")
        raise invalid_fields([Fault("/price_min", "price_not_observed", text)])
    prices = np.linspace(low, high, given.steps)
    curve = price_curve(units_at, prices, given.discount_percentage, given.unit_cost)
    columns = {"price": prices} | {name: curve[column] for name, column in POINT.items() if column in curve}
    no_profit = dict.fromkeys(POINT.keys() - columns.keys())
    points = [
        no_profit | dict(zip(columns, values, strict=True))
        for values in np.column_stack(list(columns.values())).tolist()
    ]
    best, best_low, best_high, at_edge = best_price(
        units_at, low, high, given.discount_percentage, given.unit_cost or 0.0
    )
    return {
        "points": points,
        "best_price": best,
        "best_price_low": best_low,
        "best_price_high": best_high,
        "at_edge": at_edge,
        "aim": "revenue" if given.unit_cost is None else "profit",
        "observed_low": observed_low,
        "observed_high": observed_high,
    }


@router.get(
    "/api/v1/retail/sales-model",
    response_model=SalesModelReport,
    responses=problems(404),
    summary="Accuracy and leakage audit of the sales model",
)
def retail_sales_model(query: Annotated[ShopQuery, Query()], responses: CurrentResponses) -> Response:
    """Three R² of each model under three splits, and the columns that give the target away."""
    snapshots = responses.snapshots
    scores = snapshots.open_newest("gold.sales_model")
    leaks = snapshots.open_newest("gold.sales_leaks")
    importance = snapshots["gold.feature_importance"]
    shop = shop_of(snapshots["gold.revenue"], query.shop)
    key = (shop, leaks.identity, leaks.version, importance.version)
    report = scores.cached(key, lambda: report_of(scores, leaks, importance, shop))
    if report["verdict"]:
        report = report | {"verdict": in_language(report["verdict"], responses.language)}
    return responses.item([scores, leaks, importance], report, variant=shop)


def report_of(scores: Snapshot, leaks: Snapshot, importance: Snapshot, shop: str) -> dict[str, Any]:
    """The report, without `meta`."""
    of_shop = pc.field("shop") == shop
    measured = scores.read(of_shop).sort_by([("split", "ascending"), ("mae", "ascending")])
    given_away = leaks.read(of_shop).sort_by([("role", "ascending"), ("r2_alone", "descending")])
    champions = measured.filter(pc.field("champion")).slice(0, 1).to_pylist()
    first: dict[str, Any] = champions[0] if champions else {}
    shares = importance.rows.filter(pc.field("model") == model_name(shop)).sort_by("rank")
    champion = first.get("model")
    return {
        "champion": champion,
        "signal": champion is not None and champion not in MEDIANS,
        "verdict": first.get("reason"),
        "measured_at": to_json_value(first.get("measured_at")),
        "published_r2": PUBLISHED_R2,
        "scores": items_of(measured, SplitScores),
        "leaks": items_of(given_away, LeakRow),
        "importance": items_of(shares, FeatureShare),
    }


@router.get("/api/v1/retail/shops", response_model=ShopList, summary="Shops that have listings")
async def list_shops(responses: CurrentResponses) -> Response:
    """By name, with the currency of their prices."""
    revenue = responses.snapshots["gold.revenue"]
    names = shop_names(revenue)
    items = [{"shop": name, "currency": currency_of(name)} for name in names]
    demo = any(is_simulated(revenue, name) for name in names)
    return responses.item([revenue], {"items": items}, demo=demo)


@router.post(
    "/predict/sales",
    response_model=SalesPrediction,
    responses=problems(404),
    summary="Likely sales of a product",
    dependencies=[KNOWN_CALLER],
)
def predict_sales(
    body: SalesBody,
    sales_model: Shared[SalesModels],
    responses: CurrentResponses,
) -> Response:
    """`meta.model` names the model, which may be a plain median where no other model has passed the gate."""
    shop = shop_of(responses.snapshots["gold.revenue"], body.shop)
    require_within_settings({"price": body.price}, body.rating, shop)
    model = sales_model.load(shop)
    category = category_of(body.category, model)
    if model is None:
        raise Problem("model-unavailable", name=MODEL_NAME, reason=message("sales_untrained"))
    prediction = predict_product(model, body, category)
    metrics.PREDICTIONS.labels("false").inc()
    provenance = model_provenance(model, model["kind"], passed=bool(model["members"]))
    item = {**prediction, "category": category}
    return responses.personal([], item, model=provenance, as_of=data_until(model))


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
