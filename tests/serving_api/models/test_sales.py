"""Likely sales are told by the file that training left, and by nothing while there is none."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import skops.io
from sklearn.ensemble import RandomForestRegressor
from xgboost import XGBRegressor

from lakehouse.sales import design, predicted
from tests.serving_api.conftest import Api

PATH = "/predict/sales"
ASKED = {"price": 299.99, "discount_percentage": 15, "rating": 4.5, "num_reviews": 100, "category": "ELECTRONICS"}


def model(seed: int = 1, kind: str = "stack", residuals: int = 200) -> dict[str, Any]:
    """Two small members that have learned something; as lakehouse/sales.py wants it."""
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
        "kind": kind, "categories": names, "members": members, "weights": [0.5, 0.5], "levels": {}, "other_level": 0.0,
        "smear": 1.02, "residuals": np.sort(draw.normal(0, 0.2, residuals)), "interval_level": 0.9, "run_id": "run-sales",
        "data_version": 4, "trained_at": "2026-11-21T01:00:00+00:00", "reason": "best of three",
    }  # fmt: skip


def lay(api: Api, made: dict[str, Any]) -> Path:
    """As training puts it there."""
    file = api.stack.home / "state" / "models" / "sales.skops"
    file.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(made, file.with_suffix(".tmp"))
    return file.with_suffix(".tmp").replace(file)


def ask(api: Api, **more: Any) -> Any:
    return api.post(PATH, orjson.dumps(ASKED | more), None)


def test_the_answer_is_that_of_the_model_in_the_file(models: Api) -> None:
    first = model()
    file = lay(models, first)
    answer = ask(models, category="electronics")
    told = answer.json()
    assert answer.status_code == 200, answer.text
    inputs = {"price": [299.99], "discount_pct": [15], "rating": [4.5], "num_reviews": [100]}
    wanted = predicted(first, {name: np.array(value) for name, value in inputs.items()}, ["ELECTRONICS"])
    assert told["predicted_sales"] == round(float(wanted["units"][0]), 2) and told["category"] == "ELECTRONICS"
    assert 0 <= told["lower"] < told["predicted_sales"] < told["upper"] and told["interval_level"] == 0.9
    assert told["meta"]["model"] == {
        "name": "stack", "version": "2026-11-21T01:00:00+00:00", "run_id": "run-sales", "alias": "champion",
        "trained_on": {"silver.listings": 4}, "reason": "best of three",
    }  # fmt: skip
    assert ask(models, category="kites").json()["category"] == "KITES", "learned, though in no list"
    lay(models, model(2, "median"))
    assert ask(models).json()["meta"]["model"]["name"] == "median"
    file.write_bytes(b"no model")
    assert ask(models).json()["meta"]["model"]["name"] == "median", "the one before it goes on"
    lay(models, model(3, residuals=5))
    assert ask(models).json()["type"] == "/problems/model-unavailable", "an interval without ends is none"


def test_without_a_model(bare: Api) -> None:
    answer = ask(bare)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/model-unavailable")
    assert answer.headers["retry-after"] and ask(bare, category="TELEPATHY").status_code == 422


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
def test_products_that_are_none(models: Api, body: dict[str, Any], code: str) -> None:
    answer = ask(models, **body)
    assert answer.status_code == 422 and code in [error["code"] for error in answer.json()["errors"]], answer.text
