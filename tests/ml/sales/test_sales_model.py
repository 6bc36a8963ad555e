"""The sales model: splits, audit, gate, and a model file that predicts as the trainer evaluated it."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.model_selection import GroupKFold

from conf.settings import REPO, child_environment, settings
from lakehouse.io.delta import open_table
from lakehouse.sales import INPUTS, TRUSTED, conformal_interval, design, predict
from ml.data.panel import NothingToLearn
from ml.models.parallel import ProcessBackend
from ml.sales.evaluate import SalesRound, choose_champion, evaluate, train_sales
from ml.sales.leak_audit import audit, leak_found
from ml.sales.load import SalesRows, connected_groups, read_listings, sales_rows
from ml.sales.publish import model_file, publish
from ml.sales.splits import (
    are_copies,
    predict_split,
    r2,
    split_rows,
    split_scores,
    without_copies,
)
from ml.sales.stack import (
    HISTOGRAMS,
    MEMBERS,
    Model,
    fit_candidates,
    fit_medians,
    fold_design,
    folds_of,
    out_of_fold,
    regressors,
)
from tests.support.retail.listings import shop_columns, write_listings

FOLDS = 2  # the least: what noise must not give holds for any number, and each fold fits every model
MORE_FOLDS = 3  # where a fold's share of the rows must be enough to learn from


@pytest.fixture(scope="module")
def noise() -> SalesRound:
    return evaluate(sales_rows(shop_columns(1)), 4, 7, FOLDS, quick=True)


@pytest.fixture(scope="module")
def signal() -> SalesRound:
    return evaluate(sales_rows(shop_columns(2, signal=True)), 5, 7, MORE_FOLDS, quick=True)


def score_row(done: SalesRound, model: str, split: str) -> dict:
    return next(row for row in done.scores if (row["model"], row["split"]) == (model, split))


def test_prediction_and_interval_worked_by_hand():
    model = {
        "kind": "category_median",
        "categories": [],
        "members": {},
        "weights": [],
        "levels": {"WINE": np.log1p(100.0)},
        "other_level": np.log1p(10.0),
        "smear": 1.0,
        "residuals": np.linspace(-1, 1, 39),
        "interval_level": 0.9,
    }
    forecast = predict(model, {name: np.zeros(2) for name in INPUTS}, ["WINE", "NOT LISTED"])
    assert forecast["units"] == pytest.approx([100, 10])
    # 39 residuals, 5 % a tail: the 38th smallest of 40 places, and its mirror
    below, above = conformal_interval(model["residuals"], 0.9)
    assert (below, above) == (model["residuals"][1], model["residuals"][37])
    assert forecast["upper"][0] == pytest.approx(101 * np.exp(above) - 1)
    near = [abs(101 * np.exp(r) - 1 - 100) <= 20 for r in model["residuals"]]
    assert forecast["confidence"][0] == pytest.approx(np.mean(near))
    assert conformal_interval(np.zeros(18), 0.9) == (-np.inf, np.inf)  # too few for an interval


def test_design_has_inputs_net_price_and_categories():
    inputs = {
        "price": np.array([200.0]),
        "discount_pct": np.array([25.0]),
        "rating": np.array([4.0]),
        "num_reviews": np.array([9.0]),
    }
    assert design(inputs, ["WINE"], ["BOOKS", "WINE"]).tolist() == [[200, 25, 4, np.log(10), 150, 0, 1]]
    assert design(inputs, ["NEW"], ["BOOKS", "WINE"])[0, 5:].tolist() == [0, 0]


def test_rows_that_share_a_label_are_one_group():
    groups = connected_groups(np.array([1, 1, 2, 3, 9]), np.array([5, 6, 6, 7, 8]))
    assert groups.tolist() == [0, 0, 0, 1, 2]  # 2 is joined to 1 through the shared name


def test_out_of_fold_forecast_ignores_the_rows_own_group():
    """The out-of-fold forecast for a product does not change when its own sales do."""
    rows = sales_rows(shop_columns(3, 60, states=2))
    parts = list(GroupKFold(3).split(rows.sales, groups=rows.group))
    designs = [fold_design(rows, train, test) for train, test in parts]
    forest, target = regressors(1, True)["forest"], np.log1p(rows.sales)
    plain = out_of_fold(forest, designs, target, parts)
    own = rows.group == rows.group[7]
    assert own.sum() == 2
    changed = out_of_fold(forest, designs, np.where(own, target + 5, target), parts)
    assert np.array_equal(plain[own], changed[own]) and not np.array_equal(plain, changed)


def test_columns_of_a_fold_know_only_categories_that_it_is_trained_on():
    rows = replace(sales_rows(shop_columns(3, 60)), category=np.array(["OLD"] * 40 + ["NEW"] * 20))
    before, after = fold_design(rows, np.arange(40), np.arange(40, 60))
    assert before.shape[1] == after.shape[1] == 6
    assert before[:, 5].all() and not after[:, 5].any()


def test_copies_of_products_trained_on_are_not_evaluated():
    rows = sales_rows(shop_columns(3, 60))
    twice = rows.at(np.repeat(np.arange(60), 2))
    split = list(split_rows(replace(twice, group=np.arange(120)), "grouped", FOLDS, 1))
    tested = np.concatenate([test for _, test in split])
    assert len(tested) == 120
    kept = without_copies(twice, split)
    assert 0 < sum(len(test) for _, test in kept) < 120
    assert not any(are_copies(twice.at(train), twice.at(test)).any() for train, test in kept)

    def fit(part: SalesRows) -> dict[str, Model]:
        return fit_medians(part, folds_of(part, FOLDS, 1))

    predictions = predict_split(rows, "grouped", FOLDS, 1, fit)
    assert predictions is not None and predictions.duplicates == 0 and len(predictions.rows) == 60
    alike = replace(rows.at(np.zeros(60, dtype=np.int64)), group=np.arange(60))
    assert predict_split(alike, "grouped", FOLDS, 1, fit) is None
    assert evaluate(alike, 1, 7, FOLDS, quick=True).model is None, "the audit stops such a shop"


def test_noise_is_served_by_a_median(noise: SalesRound):
    assert noise.champion in ("overall_median", "category_median") and noise.reason.startswith("no signal")
    assert noise.model and not noise.model["members"] and set(noise.importance.values()) == {0.0}
    for split in ("random", "grouped", "time"):
        assert max(row["r2"] for row in noise.scores if row["split"] == split) <= 0.05
    assert abs(score_row(noise, "stack", "grouped")["permuted_r2"]) < 0.1


def test_signal_makes_a_trained_model_champion(signal: SalesRound):
    assert signal.champion in ("stack", *MEMBERS) and signal.model and signal.model["members"]
    best = score_row(signal, signal.champion, "grouped")
    assert score_row(signal, HISTOGRAMS, "grouped")["skill_low"] > 0.3, "boosted histograms learn too"
    assert best["champion"] and best["skill_low"] > 0.5 and best["r2"] > 0.7 and best["r2_log"] > 0.8
    assert 0.82 <= best["coverage_90"] <= 0.97  # of 160
    assert signal.importance["price"] > 0.3 > signal.importance["num_reviews"]
    assert sum(signal.importance.values()) == pytest.approx(1)


def test_remembered_products_look_like_skill_in_the_random_split_only():
    """Noise, twenty states a product: a random split gives an R² near 1, products not seen give none."""
    rows = sales_rows(shop_columns(4, 30, states=20))
    models = {
        split: predict_split(rows, split, FOLDS, 1, lambda part: fit_candidates(part, FOLDS, 1, True))
        for split in ("random", "grouped")
    }
    assert split_scores(models["random"], "forest")["r2"] > 0.85
    assert split_scores(models["grouped"], "forest")["r2"] < 0.05
    assert split_scores(models["grouped"], "forest")["r2_within"] < 0.05


def test_gate_decides_on_products_not_seen():
    rows = [
        {"model": name, "split": split, "mae": mae, "skill": 0.3, "skill_low": 0.2}
        for split in ("grouped", "time", "random")
        for name, mae in (
            ("stack", 9.0),
            ("forest", 8.0),
            ("boosting", 9.5),
            ("xgboost", 9.9),
            ("overall_median", 12.0),
        )
    ]
    rows += [{"model": "category_median", "split": "grouped", "mae": 13.0, "skill": 0, "skill_low": 0}]
    assert choose_champion(rows)[0] == "forest"  # the stack does not beat it
    nearer = [row | {"mae": 7.0} if row["model"] == "stack" else row for row in rows]
    assert choose_champion(nearer)[0] == "stack"
    only_random = [row | {"skill_low": -0.1} if row["split"] == "grouped" else row for row in rows]
    assert choose_champion(only_random)[0] == "overall_median"
    not_later = [row | {"skill": -0.01} if row["split"] == "time" else row for row in rows]
    assert (
        choose_champion(not_later)[0] == "overall_median" and "newest days" in choose_champion(not_later)[1]
    )


def test_audit_catches_columns_made_from_sales():
    rows = sales_rows(shop_columns(5))
    audited = {row["column_name"]: row for row in audit(rows, 1)}
    assert (
        audited["sales_rank"]["verdict"] == "gives the target away"
        and audited["product_id"]["verdict"] == "names the row"
    )
    assert {audited[name]["verdict"] for name in INPUTS} == {"clean"} and leak_found(
        list(audited.values())
    ) is None
    leaky = sales_rows(shop_columns(5) | {"num_reviews": shop_columns(5)["sales"] * 3})
    fault = leak_found(audit(leaky, 1))
    assert fault == "input gives the target away: num_reviews"


def test_leak_stops_the_training_and_keeps_the_serving_model(lake: str):
    done = evaluate(
        sales_rows(shop_columns(6, 120) | {"rating": shop_columns(6, 120)["sales"]}), 1, 7, FOLDS, quick=True
    )
    assert done.model is None and "rating" in done.reason
    publish(done, "run-1")
    assert not model_file().exists()
    leaks = open_table("gold.sales_leaks").to_pyarrow_table().to_pylist()
    assert [row["column_name"] for row in leaks if row["role"] == "input" and row["verdict"] != "clean"] == [
        "rating"
    ]
    assert (
        open_table("gold.sales_model").to_pyarrow_table().num_rows == 0
    )  # the table describes the model that serves


def test_model_file_predicts_as_evaluated_without_ml_or_mlflow(lake: str, signal: SalesRound):
    publish(signal, "run-2")
    types = skops.io.get_untrusted_types(file=model_file())
    assert set(types) <= set(TRUSTED)
    inputs = {"price": 120.0, "discount_pct": 10.0, "rating": 4.5, "num_reviews": 77.0}
    script = f"""
import json, sys, numpy as np, skops.io
from lakehouse.sales import TRUSTED, predict
model = skops.io.load({str(model_file())!r}, trusted=TRUSTED)
forecast = predict(model, {{k: np.array([v]) for k, v in {inputs!r}.items()}}, ["WINE"])
assert not [m for m in sys.modules if m.split(".")[0] in ("mlflow", "ml", "pyspark")]
print(json.dumps({{k: float(v[0]) for k, v in forecast.items()}} | {{"run_id": model["run_id"]}}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPO,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    forecast = json.loads(ran.stdout)
    expected = predict(signal.model, {name: np.array([value]) for name, value in inputs.items()}, ["WINE"])
    assert forecast.pop("run_id") == "run-2"
    assert forecast == pytest.approx({name: float(values[0]) for name, values in expected.items()}, rel=1e-6)
    assert 0 < forecast["lower"] < forecast["units"] < forecast["upper"] and 0 < forecast["confidence"] < 1


def test_folds_fitted_in_processes_give_the_forecasts_of_one_process():
    rows = sales_rows(shop_columns(3, 60))
    fit = partial(fit_candidates, folds=FOLDS, seed=1, quick=True)
    alone = predict_split(rows, "grouped", FOLDS, 1, fit)
    with ProcessBackend(2) as run:
        together = predict_split(rows, "grouped", FOLDS, 1, fit, run)
    assert alone and together and set(together.forecasts) == set(alone.forecasts) >= {*MEMBERS}
    assert all(
        np.array_equal(columns["units"], together.forecasts[name]["units"])
        for name, columns in alone.forecasts.items()
    )


@pytest.mark.slow
def test_figures_do_not_depend_on_the_number_of_processes(noise: SalesRound):
    together = evaluate(sales_rows(shop_columns(1)), 4, 7, FOLDS, quick=True, processes=2).scores
    assert noise.scores and together == noise.scores


def test_published_scores_equal_a_recomputation_from_silver(lake: str):
    """gold.sales_model's medians and gold.sales_leaks' shares, by pandas from silver.listings."""
    write_listings(shop_columns(7, 120, states=2))
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
    forecasts = {
        "category_median": after["category"].map(medians),
        "overall_median": np.expm1(np.log1p(before["sales"]).median()),
    }
    newest = before.sort_values("event_time").groupby("product_id")["sales"].last()
    forecasts["last_value"] = after["product_id"].map(newest).fillna(forecasts["category_median"])
    rows = {
        (row["model"], row["split"]): row
        for row in open_table("gold.sales_model").to_pyarrow_table().to_pylist()
    }
    for name, units in forecasts.items():
        published = rows[name, "time"]
        assert published["mae"] == pytest.approx((after["sales"] - units).abs().mean(), rel=1e-9)
        assert published["wape_pct"] == pytest.approx(
            100 * (after["sales"] - units).abs().sum() / after["sales"].sum(), rel=1e-9
        )
        assert (published["rows_learned"], published["rows_judged"]) == (len(before), len(after))
        spread = ((after["sales"] - after["sales"].mean()) ** 2).sum()
        assert published["r2"] == pytest.approx(1 - ((after["sales"] - units) ** 2).sum() / spread, rel=1e-9)
    assert {split for _, split in rows} == {"random", "grouped", "time"}
    assert {row["data_version"] for row in rows.values()} == {open_table("silver.listings").version()}
    leaks = {row["column_name"]: row for row in open_table("gold.sales_leaks").to_pyarrow_table().to_pylist()}
    for name in (*INPUTS, "stock_quantity"):
        assert leaks[name]["distinct_share"] == pytest.approx(last[name].nunique() / len(last))
    shares = open_table("gold.feature_importance").to_pyarrow_table().to_pylist()
    assert {row["feature"] for row in shares} == {*INPUTS, "category"} and sorted(
        row["rank"] for row in shares
    ) == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_too_few_listings_are_refused_with_the_count(lake: str, tmp_path: Path):
    assert read_listings(str(tmp_path / "nowhere")) == (None, -1)
    with pytest.raises(NothingToLearn, match="holds 0 products"):
        train_sales(lake, 1, FOLDS)
    write_listings(shop_columns(8, 4, states=40))
    with pytest.raises(NothingToLearn, match="4 products"):
        train_sales(lake, 1, MORE_FOLDS)


def test_same_seed_gives_the_same_model_after_pickling_and_leaves_its_input(noise: SalesRound):
    rows = sales_rows(shop_columns(1))
    before = rows.sales.copy(), {name: values.copy() for name, values in rows.inputs.items()}
    again = fit_candidates(rows, FOLDS, 7, True), fit_candidates(rows, FOLDS, 7, True)
    inputs = {name: values[:20] for name, values in rows.inputs.items()}
    for name in again[0]:
        first, second = (
            predict(models[name], inputs, rows.category[:20].tolist())
            for models in (again[0], pickle.loads(pickle.dumps(again[1])))
        )
        assert all(np.array_equal(first[key], second[key]) for key in first)
    assert np.array_equal(rows.sales, before[0]) and all(
        np.array_equal(rows.inputs[name], before[1][name]) for name in INPUTS
    )


def test_published_shop_has_no_signal():
    file = settings().shared / "data" / "ecommerce_kaggle" / "ecommerce_product_dataset.csv"
    if not file.is_file():
        pytest.skip(f"no published set at {file.parent}")
    given = pd.read_csv(file)
    day = (pd.to_datetime(given["DateAdded"]) - pd.Timestamp(0)).dt.days.to_numpy(float)
    names = "ProductID ProductName Category Price Rating NumReviews StockQuantity Sales"
    ours = "product_id product_name category price rating num_reviews stock_quantity sales"
    columns = {
        name: given[column].to_numpy() for name, column in zip(ours.split(), names.split(), strict=True)
    }
    rows: SalesRows = sales_rows(
        columns | {"discount_pct": 100 * given["Discount"].to_numpy(), "day": day, "day_added": day}
    )
    assert len(rows) == 1000 and len(np.unique(rows.group)) == 100
    controls = [row["r2_with_inputs"] for row in audit(rows, 7) if row["role"] == "control"]
    assert 0.97 <= min(controls) <= max(controls) < 0.999, "the published 0.983 comes of such a column"
    predictions = predict_split(rows, "time", FOLDS, 7, lambda part: fit_candidates(part, FOLDS, 7, True))
    assert all(split_scores(predictions, name)["r2"] <= 0.05 for name in predictions.forecasts)
    assert r2(predictions.rows.sales, predictions.forecasts["stack"]["units"]) > -0.05
