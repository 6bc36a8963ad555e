"""The price curve of a shop with a known demand, and the report on its sales model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from lakehouse.sales import TARGETS
from ml.sales.stack import fit_demand
from scripts.bench.api_lake import write
from tests.serving_api.models.test_sales import model, write_model
from tests.support.api import Api, new_stack
from tests.support.retail.listings import simulated_rows
from tests.support.served_lake import NOW

PATH = "/api/v1/retail/price-curve"
REQUEST = {
    "category": "electronics",
    "discount_percentage": 10,
    "rating": 4,
    "num_reviews": 50,
    "price_min": 100,
    "price_max": 400,
    "steps": 5,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("curve"))
    running = Api(stack)
    demand = fit_demand(simulated_rows(1, products=24, days=50), draws=20, seed=1)
    write_model(running, model() | {"demand": demand, "demand_skill_low": 0.4, "target": TARGETS[1]})
    write(
        stack.lake_root,
        "gold.price_elasticity",
        [law(1), law(0), law(2, "BOOKS", verdict="refused"), law(0, "BOOKS", verdict="refused")],
    )
    yield running
    running.stop()


def law(product: int, category: str = "WINE", **more: Any) -> dict[str, Any]:
    """A row of gold.price_elasticity; of product 1 with an elasticity of -2, of categories one of -3."""
    known = {"elasticity": -2.0, "elasticity_low": -2.2, "elasticity_high": -1.8, "discount_effect": 0.5}
    if not product:
        known |= {"elasticity": -3.0, "elasticity_low": -3.3, "elasticity_high": -2.7}
    if more.get("verdict") == "refused":
        known = dict.fromkeys(known)
    observed = {"units_a_day": 20.0, "price": 80.0, "price_low": 50.0, "price_high": 120.0, "test_days": 140}
    about = {"verdict": "measured", "run_id": "run-9", "data_version": 4, "measured_at": NOW}
    return {"shop": "main", "category": category, "product_id": product} | known | observed | about | more


def post_curve(api: Api, **more: Any) -> Any:
    return api.post(PATH, orjson.dumps(REQUEST | more), None)


def test_curve_has_points_intervals_and_a_best_price(shop: Api) -> None:
    body = post_curve(shop).json()
    prices = [point["price"] for point in body["points"]]
    low, high = 100, min(400, 1.1 * body["observed_high"])
    assert prices == pytest.approx(np.linspace(low, high, 5)), "10 % beyond the observed prices at most"
    for point in body["points"]:
        assert point["revenue"] == pytest.approx(0.9 * point["price"] * point["predicted_sales"])
        assert point["sales_low"] <= point["predicted_sales"] <= point["sales_high"]
    assert body["best_price_low"] <= body["best_price"] <= body["best_price_high"]
    assert (body["aim"], body["basis"], body["elasticity"], body["product_id"]) == (
        "revenue",
        "demand",
        None,
        None,
    )
    assert {point["profit"] for point in body["points"]} == {None}
    assert body["signal"] and (body["target"], body["category"]) == ("units_a_day", "ELECTRONICS")
    assert body["meta"]["model"]["alias"] == "champion"


def test_best_price_lies_within_the_observed_prices(shop: Api) -> None:
    body = post_curve(shop, price_min=0, price_max=500).json()
    assert 0.9 * body["observed_low"] <= body["best_price"] <= 1.1 * body["observed_high"] < 500
    narrow = post_curve(shop, price_min=body["observed_low"], price_max=body["observed_low"] + 5).json()
    assert body["observed_low"] <= narrow["best_price"] <= body["observed_low"] + 5


def test_curve_follows_the_measured_elasticity_of_the_product_or_the_category(shop: Api) -> None:
    wine = {"category": "wine", "price_min": 0, "price_max": 500, "discount_percentage": 20}
    body = post_curve(shop, **wine, product_id=1, unit_cost=25).json()
    assert (body["aim"], body["basis"], body["elasticity"], body["product_id"]) == (
        "profit",
        "elasticity",
        -2,
        1,
    )
    assert [point["price"] for point in body["points"]] == pytest.approx(np.linspace(45, 132, 5))
    for point in body["points"]:
        net = 0.8 * point["price"]
        units = 20 * (net / 80) ** -2 * np.exp(0.5 * 0.2)
        assert point["predicted_sales"] == pytest.approx(units)
        assert point["profit"] == pytest.approx((net - 25) * units)
        edges = sorted(units * (net / 80) ** change for change in (-0.2, 0.2))
        assert [point["sales_low"], point["sales_high"]] == pytest.approx(edges, rel=0.02)
        assert point["profit_low"] <= point["profit"] <= point["profit_high"]
    assert body["best_price"] == pytest.approx(25 * -2 / (1 - 2) / 0.8, rel=0.01), "cost * e / (1 + e)"
    assert body["best_price_low"] < body["best_price"] < body["best_price_high"]
    assert (body["at_edge"], body["test_days"], body["signal"]) == (False, None, True)
    assert body["meta"]["model"]["name"] == "elasticity" and body["meta"]["model"]["run_id"] == "run-9"
    whole = post_curve(shop, **wine).json()
    assert (whole["aim"], whole["elasticity"], whole["product_id"]) == ("revenue", -3, None)
    assert (whole["best_price"], whole["at_edge"], whole["test_days"]) == (45, True, 140), "never known below"


def test_refused_elasticity_leaves_the_curve_of_demand_and_the_days_of_a_test(shop: Api) -> None:
    books = {"category": "books", "price_min": 20, "price_max": 60}
    for more in ({}, {"product_id": 2}):
        body = post_curve(shop, **books, **more).json()
        assert (body["basis"], body["elasticity"], body["test_days"]) == ("demand", None, 140)
    unknown = post_curve(shop, **books, product_id=1)
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/unknown-product"), "of WINE"


def test_elasticity_that_may_be_zero_is_no_signal(tmp_path_factory: pytest.TempPathFactory) -> None:
    stack = new_stack(tmp_path_factory.mktemp("flat"))
    write(stack.lake_root, "gold.price_elasticity", [law(0, elasticity=-0.2, elasticity_high=0.1)])
    api = Api(stack)
    body = post_curve(api, category="wine", price_min=50).json()
    assert (body["basis"], body["signal"], body["test_days"]) == ("elasticity", False, 140)
    assert body["verdict"].startswith("no signal")
    api.stop()


def test_a_shop_without_listings_is_unknown(shop: Api) -> None:
    refused = post_curve(shop, shop="nowhere")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/unknown-shop")
    assert shop.get("/api/v1/retail/sales-model?shop=nowhere").status_code == 404


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"price_min": 300, "price_max": 100}, "price_order"),
        ({"price_min": 100, "price_max": 100}, "price_order"),
        ({"price_max": 501}, "price_max_range"),
        ({"price_min": 0, "price_max": 1}, "price_not_observed"),
        ({"rating": 0}, "rating_range"),
        ({"steps": 51}, "field_type"),
        ({"product_id": 0}, "field_type"),
        ({"unit_cost": -1}, "field_type"),
        ({"category": "TELEPATHY"}, "unknown_category"),
        ({"brand": "x"}, "field_unknown"),
    ],
)
def test_invalid_request_is_refused(shop: Api, more: dict[str, Any], code: str) -> None:
    response = post_curve(shop, **more)
    assert response.status_code == 422, response.text
    assert code in [error["code"] for error in response.json()["errors"]], response.text


def test_curve_without_signal_is_flagged_and_without_a_model_503(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    api = Api(new_stack(tmp_path_factory.mktemp("none")))
    assert post_curve(api).status_code == 503
    write_model(api, model())
    assert post_curve(api).json()["type"] == "/problems/model-unavailable", "of a training before the curves"
    demand = fit_demand(simulated_rows(2, products=8, days=20))
    write_model(api, model() | {"demand": demand, "demand_skill_low": -0.01})
    body = post_curve(api).json()
    assert not body["signal"] and body["verdict"].startswith("no signal")
    assert body["meta"]["model"]["alias"] == "baseline"
    assert api.get("/api/v1/retail/sales-model").json()["champion"] is None
    api.stop()


def test_report_shows_the_verdict_the_splits_and_the_leaks(shop: Api) -> None:
    reason = "no signal: skill of forest over the overall median on products not seen is 0.1 %"
    scores = [
        {"model": name, "split": split, "champion": name == "overall_median", "reason": reason}
        | {"mae": mae, "rmse": mae + 1}
        for split in ("grouped", "time")
        for name, mae in (("stack", 3.0), ("overall_median", 2.0))
    ]
    shared = {"measured_at": NOW, "r2": 0.1}
    of_others = [row | shared | {"shop": "toko-b", "champion": True} for row in scores[:1]]
    rows = [row | shared | {"shop": "main"} for row in scores] + of_others
    write(shop.stack.lake_root, "gold.sales_model", rows)
    leak = {
        "shop": "main",
        "column_name": "sales_rank",
        "role": "control",
        "verdict": "gives the target away",
        "r2_alone": 0.98,
    }
    write(shop.stack.lake_root, "gold.sales_leaks", [leak | {"r2_with_inputs": 0.98, "measured_at": NOW}])
    body = shop.get("/api/v1/retail/sales-model").json()
    assert (body["champion"], body["signal"], body["verdict"]) == ("overall_median", False, reason)
    assert [(row["split"], row["model"]) for row in body["scores"]] == [
        ("grouped", "overall_median"),
        ("grouped", "stack"),
        ("time", "overall_median"),
        ("time", "stack"),
    ]
    assert [(row["mae"], row["rmse"]) for row in body["scores"][:2]] == [(2, 3), (3, 4)]
    assert body["leaks"][0]["column_name"] == "sales_rank" and body["published_r2"] == 0.9832
    assert np.isclose(body["leaks"][0]["r2_alone"], 0.98)
