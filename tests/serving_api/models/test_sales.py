"""Sales predictions come from the file that training wrote; without it they are unavailable."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import skops.io
from sklearn.ensemble import RandomForestRegressor
from xgboost import XGBRegressor

from lakehouse.sales import design, predict
from tests.support.api import Api

PATH = "/predict/sales"
PRODUCT = {
    "price": 299.99,
    "discount_percentage": 15,
    "rating": 4.5,
    "num_reviews": 100,
    "category": "ELECTRONICS",
}


def model(seed: int = 1, kind: str = "stack", residuals: int = 200) -> dict[str, Any]:
    """A model of two small fitted members, in the form of lakehouse/sales.py."""
    draw = np.random.default_rng(seed)
    inputs = {name: draw.uniform(1, 5, 300) for name in ("price", "discount_pct", "rating", "num_reviews")}
    names = ["BOOKS", "ELECTRONICS", "KITES"]
    category = draw.choice(names, 300).tolist()
    columns, target = design(inputs, category, names), 3 + inputs["rating"] + draw.normal(0, 0.2, 300)
    members = {
        "forest": RandomForestRegressor(5, random_state=1).fit(columns, target),
        "xgboost": XGBRegressor(n_estimators=5, n_jobs=1).fit(columns, target),
    }
    return {
        "kind": kind,
        "categories": names,
        "members": members,
        "weights": [0.5, 0.5],
        "levels": {},
        "other_level": 0.0,
        "smear": 1.02,
        "residuals": np.sort(draw.normal(0, 0.2, residuals)),
        "interval_level": 0.9,
        "run_id": "run-sales",
        "data_version": 4,
        "trained_at": "2026-11-21T01:00:00+00:00",
        "data_until": "2026-11-19",
        "reason": "best of three",
    }


def write_model(api: Api, model: dict[str, Any]) -> Path:
    """Write the model file as training does."""
    file = api.stack.home / "state" / "models" / "sales.skops"
    file.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, file.with_suffix(".tmp"))
    return file.with_suffix(".tmp").replace(file)


def post_product(api: Api, **more: Any) -> Any:
    return api.post(PATH, orjson.dumps(PRODUCT | more), None)


def test_prediction_is_that_of_the_model_in_the_file(models: Api) -> None:
    first = model()
    file = write_model(models, first)
    response = post_product(models, category="electronics")
    result = response.json()
    assert response.status_code == 200, response.text
    inputs = {"price": [299.99], "discount_pct": [15], "rating": [4.5], "num_reviews": [100]}
    wanted = predict(first, {name: np.array(value) for name, value in inputs.items()}, ["ELECTRONICS"])
    assert (
        result["predicted_sales"] == round(float(wanted["units"][0]), 2)
        and result["category"] == "ELECTRONICS"
    )
    assert (
        0 <= result["lower"] < result["predicted_sales"] < result["upper"] and result["interval_level"] == 0.9
    )
    assert result["meta"]["model"] == {
        "name": "stack",
        "version": "2026-11-21T01:00:00+00:00",
        "run_id": "run-sales",
        "alias": "champion",
        "trained_on": {"silver.listings": 4},
        "reason": "best of three",
    }
    assert result["meta"]["as_of"] == "2026-11-19T00:00:00Z", "the newest listing, not the training"
    assert post_product(models, category="kites").json()["category"] == "KITES", (
        "known to the model, though in no list"
    )
    write_model(models, model(2, "median") | {"members": {}, "weights": []})
    served = post_product(models).json()["meta"]["model"]
    assert (served["name"], served["alias"]) == ("median", "baseline"), "no model has passed the gate"
    file.write_bytes(b"no model")
    assert post_product(models).json()["meta"]["model"]["name"] == "median", "the previous model stays"
    write_model(models, model(3, residuals=5))
    assert post_product(models).json()["type"] == "/problems/model-unavailable", (
        "without an interval there is no prediction"
    )


def test_without_a_model_503(bare: Api) -> None:
    response = post_product(bare)
    assert (response.status_code, response.json()["type"]) == (503, "/problems/model-unavailable")
    assert response.headers["retry-after"] and post_product(bare, category="TELEPATHY").status_code == 422


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"price": 501}, "price_range"),
        ({"price": -1}, "price_range"),
        ({"price": "299.99"}, "field_type"),
        ({"discount_percentage": 101}, "field_type"),
        ({"rating": 0}, "rating_range"),
        ({"num_reviews": -1}, "field_type"),
        ({"num_reviews": 1.5}, "field_type"),
        ({"category": "TELEPATHY"}, "unknown_category"),
        ({"brand": "x"}, "field_unknown"),
    ],
)
def test_invalid_product_is_refused(models: Api, body: dict[str, Any], code: str) -> None:
    response = post_product(models, **body)
    assert response.status_code == 422 and code in [error["code"] for error in response.json()["errors"]], (
        response.text
    )
