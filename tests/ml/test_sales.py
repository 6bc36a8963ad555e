"""The sales model: what it may learn from, what it must not believe, and that the file answers as the trainer judged."""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.model_selection import GroupKFold

from conf.settings import REPO, child_environment, settings
from lakehouse.sales import INPUTS, TRUSTED, design, interval, predicted
from ml.panel import NothingToLearn
from ml.sales import SalesRound, judged, train_sales
from ml.sales_gate import choice
from ml.sales_judging import answers, figures, r2
from ml.sales_leaks import audit, stops
from ml.sales_publish import model_file, publish
from ml.sales_rows import Listings, listings, read_listings, together
from ml.sales_stack import MEMBERS, fitted, out_of_fold, regressors
from streaming_jobs.delta_sink import create_tables, open_table
from tests.ml.made_listings import CATEGORIES, made, shop

FOLDS = 3


@pytest.fixture(scope="module")
def noise() -> SalesRound:
    return judged(listings(made(1)), 4, 7, FOLDS, quick=True)


@pytest.fixture(scope="module")
def signal() -> SalesRound:
    return judged(listings(made(2, signal=True)), 5, 7, FOLDS, quick=True)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    create_tables()
    yield settings().lake_root
    monkeypatch.undo()
    settings.cache_clear()


def row(done: SalesRound, model: str, split: str) -> dict:
    return next(one for one in done.figures if (one["model"], one["split"]) == (model, split))


def test_what_a_model_answers_worked_by_hand():
    model = {
        "kind": "category_median", "categories": [], "members": {}, "weights": [], "levels": {"WINE": np.log1p(100.0)},
        "other_level": np.log1p(10.0), "smear": 1.0, "residuals": np.linspace(-1, 1, 39), "interval_level": 0.9,
    }  # fmt: skip
    told = predicted(model, {name: np.zeros(2) for name in INPUTS}, ["WINE", "NOT LISTED"])
    assert told["units"] == pytest.approx([100, 10])
    # 39 residuals, 5 % a tail: the 38th smallest of 40 places, and its mirror
    below, above = interval(model["residuals"], 0.9)
    assert (below, above) == (model["residuals"][1], model["residuals"][37])
    assert told["upper"][0] == pytest.approx(101 * np.exp(above) - 1)
    near = [abs(101 * np.exp(r) - 1 - 100) <= 20 for r in model["residuals"]]
    assert told["confidence"][0] == pytest.approx(np.mean(near))
    assert interval(np.zeros(18), 0.9) == (-np.inf, np.inf)  # too few to say


def test_columns_of_the_design():
    inputs = {
        "price": np.array([200.0]),
        "discount_pct": np.array([25.0]),
        "rating": np.array([4.0]),
        "num_reviews": np.array([9.0]),
    }
    assert design(inputs, ["WINE"], ["BOOKS", "WINE"]).tolist() == [[200, 25, 4, np.log(10), 150, 0, 1]]
    assert design(inputs, ["NEW"], ["BOOKS", "WINE"])[0, 5:].tolist() == [0, 0]


def test_rows_that_share_a_label_are_one_group():
    found = together(np.array([1, 1, 2, 3, 9]), np.array([5, 6, 6, 7, 8]))
    assert found.tolist() == [0, 0, 0, 1, 2]  # 2 is joined to 1 through the shared name


def test_no_group_stands_on_both_sides():
    """The out-of-fold answer on a product does not change when its own sales do."""
    rows = listings(made(3, 60, states=2))
    columns, parts = (
        design(rows.inputs, rows.category, CATEGORIES.tolist()),
        list(GroupKFold(3).split(rows.sales, groups=rows.group)),
    )
    forest, target = regressors(1, True)["forest"], np.log1p(rows.sales)
    plain = out_of_fold(forest, columns, target, parts)
    own = rows.group == rows.group[7]
    assert own.sum() == 2
    changed = out_of_fold(forest, columns, np.where(own, target + 5, target), parts)
    assert np.array_equal(plain[own], changed[own]) and not np.array_equal(plain, changed)


def test_noise_is_called_noise(noise: SalesRound):
    assert noise.champion in ("overall_median", "category_median") and noise.reason.startswith("no signal")
    assert noise.model and not noise.model["members"] and set(noise.importance.values()) == {0.0}
    for split in ("random", "grouped", "time"):
        assert max(one["r2"] for one in noise.figures if one["split"] == split) <= 0.05
    assert abs(row(noise, "stack", "grouped")["permuted_r2"]) < 0.1


def test_a_law_is_found(signal: SalesRound):
    assert signal.champion in ("stack", *MEMBERS) and signal.model and signal.model["members"]
    best = row(signal, signal.champion, "grouped")
    assert best["champion"] and best["skill_low"] > 0.5 and best["r2"] > 0.7 and best["r2_log"] > 0.8
    assert 0.82 <= best["coverage_90"] <= 0.97  # of 160
    assert signal.importance["price"] > 0.3 > signal.importance["num_reviews"]
    assert sum(signal.importance.values()) == pytest.approx(1)


def test_memory_of_products_looks_like_skill_until_products_are_held_apart():
    """Noise again, twenty states a product: rows dealt at random give the R² near 1 that is so often announced."""
    rows = listings(made(4, 60, states=20))
    models = {split: answers(rows, split, FOLDS, 1, lambda part: fitted(part, FOLDS, 1, True)) for split in ("random", "grouped")}
    assert figures(models["random"], "forest")["r2"] > 0.85
    assert figures(models["grouped"], "forest")["r2"] < 0.05
    assert figures(models["grouped"], "forest")["r2_within"] < 0.05


def test_the_gate_listens_to_products_not_seen():
    rows = [
        {"model": name, "split": split, "mae": mae, "skill": 0.3, "skill_low": 0.2}
        for split in ("grouped", "time", "random")
        for name, mae in (("stack", 9.0), ("forest", 8.0), ("boosting", 9.5), ("xgboost", 9.9), ("overall_median", 12.0))
    ]
    rows += [{"model": "category_median", "split": "grouped", "mae": 13.0, "skill": 0, "skill_low": 0}]
    assert choice(rows)[0] == "forest"  # the stack does not beat it
    nearer = [one | {"mae": 7.0} if one["model"] == "stack" else one for one in rows]
    assert choice(nearer)[0] == "stack"
    only_random = [one | {"skill_low": -0.1} if one["split"] == "grouped" else one for one in rows]
    assert choice(only_random)[0] == "overall_median"
    not_later = [one | {"skill": -0.01} if one["split"] == "time" else one for one in rows]
    assert choice(not_later)[0] == "overall_median" and "newest days" in choice(not_later)[1]


def test_the_audit_sees_what_is_made_of_sales():
    rows = listings(made(5))
    found = {one["column_name"]: one for one in audit(rows, 1)}
    assert found["sales_rank"]["verdict"] == "gives the target away" and found["product_id"]["verdict"] == "names the row"
    assert {found[name]["verdict"] for name in INPUTS} == {"clean"} and stops(list(found.values())) is None
    leaky = listings(made(5) | {"num_reviews": made(5)["sales"] * 3})
    said = stops(audit(leaky, 1))
    assert said == "input gives the target away: num_reviews"


def test_a_leak_stops_the_training_and_leaves_what_answers(lake: str):
    done = judged(listings(made(6, 120) | {"rating": made(6, 120)["sales"]}), 1, 7, FOLDS, quick=True)
    assert done.model is None and "rating" in done.reason
    publish(done, "run-1")
    assert not model_file().exists()
    told = open_table("gold.sales_leaks").to_pyarrow_table().to_pylist()
    assert [one["column_name"] for one in told if one["role"] == "input" and one["verdict"] != "clean"] == ["rating"]
    assert open_table("gold.sales_model").to_pyarrow_table().num_rows == 0  # what stands there tells of the model that answers


def test_the_file_answers_as_the_trainer_judged_without_trainer_or_mlflow(lake: str, signal: SalesRound):
    publish(signal, "run-2")
    held = skops.io.get_untrusted_types(file=model_file())
    assert set(held) <= set(TRUSTED)
    asked = {"price": 120.0, "discount_pct": 10.0, "rating": 4.5, "num_reviews": 77.0}
    script = f"""
import json, sys, numpy as np, skops.io
from lakehouse.sales import TRUSTED, predicted
model = skops.io.load({str(model_file())!r}, trusted=TRUSTED)
told = predicted(model, {{k: np.array([v]) for k, v in {asked!r}.items()}}, ["WINE"])
assert not [m for m in sys.modules if m.split(".")[0] in ("mlflow", "ml", "pyspark")]
print(json.dumps({{k: float(v[0]) for k, v in told.items()}} | {{"run_id": model["run_id"]}}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, env=child_environment(), capture_output=True, text=True, check=True
    )
    told = json.loads(ran.stdout)
    here = predicted(signal.model, {name: np.array([value]) for name, value in asked.items()}, ["WINE"])
    assert told.pop("run_id") == "run-2"
    assert told == pytest.approx({name: float(values[0]) for name, values in here.items()}, rel=1e-6)
    assert 0 < told["lower"] < told["units"] < told["upper"] and 0 < told["confidence"] < 1


def test_published_figures_equal_a_recomputation_from_silver(lake: str):
    """gold.sales_model's medians and gold.sales_leaks' shares, by pandas from silver.listings."""
    shop(made(7, 120, states=2))
    done = train_sales(lake, 7, FOLDS, quick=True)
    publish(done, "run-3")
    silver = open_table("silver.listings").to_pyarrow_table().to_pandas()
    silver["day"] = silver["event_time"].dt.date
    last = silver.sort_values("event_time").groupby(["product_id", "day"]).tail(1)
    assert (last["sales"] > 0).all() and len(last) == 240
    days = last["event_time"].astype("int64")
    late = days > np.quantile(days, 0.8)
    before, after = last[~late], last[late]
    medians = np.exp(np.log1p(before["sales"]).groupby(before["category"]).median()) - 1
    told = {"category_median": after["category"].map(medians), "overall_median": np.expm1(np.log1p(before["sales"]).median())}
    newest = before.sort_values("event_time").groupby("product_id")["sales"].last()
    told["last_value"] = after["product_id"].map(newest).fillna(told["category_median"])
    rows = {(one["model"], one["split"]): one for one in open_table("gold.sales_model").to_pyarrow_table().to_pylist()}
    for name, units in told.items():
        stands = rows[name, "time"]
        assert stands["mae"] == pytest.approx((after["sales"] - units).abs().mean(), rel=1e-9)
        assert stands["wape_pct"] == pytest.approx(100 * (after["sales"] - units).abs().sum() / after["sales"].sum(), rel=1e-9)
        assert (stands["rows_learned"], stands["rows_judged"]) == (len(before), len(after))
        spread = ((after["sales"] - after["sales"].mean()) ** 2).sum()
        assert stands["r2"] == pytest.approx(1 - ((after["sales"] - units) ** 2).sum() / spread, rel=1e-9)
    assert {split for _, split in rows} == {"random", "grouped", "time"}
    assert {one["data_version"] for one in rows.values()} == {open_table("silver.listings").version()}
    leaks = {one["column_name"]: one for one in open_table("gold.sales_leaks").to_pyarrow_table().to_pylist()}
    for name in (*INPUTS, "stock_quantity"):
        assert leaks[name]["distinct_share"] == pytest.approx(last[name].nunique() / len(last))
    shares = open_table("gold.feature_importance").to_pyarrow_table().to_pylist()
    assert {one["feature"] for one in shares} == {*INPUTS, "category"} and sorted(one["rank"] for one in shares) == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_too_little_is_said(lake: str, tmp_path: Path):
    assert read_listings(str(tmp_path / "nowhere")) == (None, -1)
    with pytest.raises(NothingToLearn, match="holds 0 products"):
        train_sales(lake, 1, FOLDS)
    shop(made(8, 4, states=40))
    with pytest.raises(NothingToLearn, match="4 products"):
        train_sales(lake, 1, FOLDS)


def test_same_seed_same_figures_survives_pickling_and_leaves_its_input(noise: SalesRound):
    rows = listings(made(1))
    before = rows.sales.copy(), {name: values.copy() for name, values in rows.inputs.items()}
    again = fitted(rows, FOLDS, 7, True), fitted(rows, FOLDS, 7, True)
    inputs = {name: values[:20] for name, values in rows.inputs.items()}
    for name in again[0]:
        one, other = (
            predicted(models[name], inputs, rows.category[:20].tolist())
            for models in (again[0], pickle.loads(pickle.dumps(again[1])))
        )
        assert all(np.array_equal(one[key], other[key]) for key in one)
    assert np.array_equal(rows.sales, before[0]) and all(np.array_equal(rows.inputs[name], before[1][name]) for name in INPUTS)


def test_the_published_shop_has_no_signal():
    file = settings().shared / "data" / "ecommerce_kaggle" / "ecommerce_product_dataset.csv"
    if not file.is_file():
        pytest.skip(f"no published set at {file.parent}")
    given = pd.read_csv(file)
    day = (pd.to_datetime(given["DateAdded"]) - pd.Timestamp(0)).dt.days.to_numpy(float)
    names = "ProductID ProductName Category Price Rating NumReviews StockQuantity Sales"
    ours = "product_id product_name category price rating num_reviews stock_quantity sales"
    columns = {name: given[column].to_numpy() for name, column in zip(ours.split(), names.split(), strict=True)}
    rows: Listings = listings(columns | {"discount_pct": 100 * given["Discount"].to_numpy(), "day": day, "day_added": day})
    assert len(rows) == 1000 and len(np.unique(rows.group)) == 100
    found = answers(rows, "time", FOLDS, 7, lambda part: fitted(part, FOLDS, 7, True))
    assert all(figures(found, name)["r2"] <= 0.05 for name in found.units)
    assert r2(found.rows.sales, found.units["stack"]) > -0.05
