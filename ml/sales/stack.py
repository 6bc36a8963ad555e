"""Random forest, gradient boosting and xgboost, blended by a ridge regression on out-of-fold forecasts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin, clone
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from lakehouse.sales import design
from ml.sales.load import SalesRows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Model = dict[str, Any]
Folds = list[tuple[Ints, Ints]]  # rows to train on, rows to predict
INTERVAL_LEVEL = 0.90
MEMBERS = ("forest", "boosting", "xgboost")
RIDGE = "ridge"
OVERALL_MEDIAN = "overall_median"
CATEGORY_MEDIAN = "category_median"
BASELINES = (OVERALL_MEDIAN, CATEGORY_MEDIAN)
STACK = "stack"
MOST_CATEGORIES = 60  # the most frequent ones have a column each; the others have none


def regressors(seed: int, quick: bool) -> dict[str, RegressorMixin]:
    """The members and a ridge regression for comparison, unfitted; all are fitted to log1p of units."""
    trees = 30 if quick else 100
    return {
        "forest": RandomForestRegressor(
            trees, min_samples_leaf=5, max_features=0.5, random_state=seed, n_jobs=1
        ),
        "boosting": GradientBoostingRegressor(
            n_estimators=trees, max_depth=3, subsample=0.8, max_features=0.5, random_state=seed
        ),
        "xgboost": XGBRegressor(
            n_estimators=trees,
            max_depth=4,
            learning_rate=0.08,
            subsample=0.8,
            colsample_bytree=0.8,
            random_state=seed,
            n_jobs=1,
        ),
        RIDGE: make_pipeline(StandardScaler(), Ridge(10.0)),
    }


def fit_candidates(rows: SalesRows, folds: int, seed: int, quick: bool) -> dict[str, Model]:
    """Every candidate by name: the members, the ridge, both medians, and the stack of the members.

    A group is never on both sides of a fold, so the blend and the intervals rest on products not seen.
    """
    target = np.log1p(rows.sales)
    categories = categories_of(rows)
    columns = design(rows.inputs, rows.category, categories)
    splitter = GroupKFold(min(folds, len(np.unique(rows.group))), shuffle=True, random_state=seed)
    parts = list(splitter.split(columns, groups=rows.group))
    models: dict[str, Model] = {}
    forecasts: dict[str, Floats] = {}
    for name, regressor in regressors(seed, quick).items():
        forecasts[name] = out_of_fold(regressor, columns, target, parts)
        member = clone(regressor).fit(columns, target)
        models[name] = _model(name, categories, {name: member}, [1.0], 0.0, forecasts[name], rows.sales)
    stacked = np.column_stack([forecasts[name] for name in MEMBERS])
    blend = Ridge(1.0, positive=True).fit(stacked, target)
    members = {name: models[name]["members"][name] for name in MEMBERS}
    weights = [float(weight) for weight in blend.coef_]
    models[STACK] = _model(
        STACK, categories, members, weights, float(blend.intercept_), blend.predict(stacked), rows.sales
    )
    one_category = replace(rows, category=np.full(len(rows), ""))
    models[CATEGORY_MEDIAN] = fit_median(CATEGORY_MEDIAN, rows, parts)
    models[OVERALL_MEDIAN] = fit_median(OVERALL_MEDIAN, one_category, parts)
    return models


def out_of_fold(regressor: RegressorMixin, columns: Floats, target: Floats, parts: Folds) -> Floats:
    """(rows,) forecast of each row by a regressor that was fitted without its fold."""
    forecast = np.empty(len(target))
    for train, test in parts:
        forecast[test] = clone(regressor).fit(columns[train], target[train]).predict(columns[test])
    return forecast


def categories_of(rows: SalesRows) -> list[str]:
    """The most frequent categories, by name."""
    names, count = np.unique(rows.category, return_counts=True)
    return sorted(names[np.argsort(-count, kind="stable")][:MOST_CATEGORIES].tolist())


def fit_median(kind: str, rows: SalesRows, parts: Folds) -> Model:
    """The median of the category, and of all rows for a new category: the forecast without a model."""
    forecast = np.empty(len(rows))
    for train, test in parts:
        levels, overall = _median_levels(rows, train)
        forecast[test] = [levels.get(name, overall) for name in rows.category[test]]
    levels, overall = _median_levels(rows, np.arange(len(rows)))
    model = _model(kind, [], {}, [], 0.0, forecast, rows.sales)
    return model | {"levels": levels, "other_level": overall, "smear": 1.0}


def _median_levels(rows: SalesRows, train: Ints) -> tuple[dict[str, float], float]:
    """(category -> median, overall median) of log1p units."""
    logs = np.log1p(rows.sales[train])
    names = rows.category[train]
    by_category = {str(name): float(np.median(logs[names == name])) for name in np.unique(names)}
    return by_category, float(np.median(logs))


def _model(
    kind: str,
    categories: list[str],
    members: Mapping[str, RegressorMixin],
    weights: list[float],
    intercept: float,
    forecast: Floats,
    sales: Floats,
) -> Model:
    """A model as lakehouse/sales.py describes it. `forecast`: its out-of-fold log1p units.

    Smearing is a ratio, after Duan (1983).
    """
    smear = float(sales.sum() / max(np.maximum(np.expm1(forecast), 0.0).sum(), 1e-9))
    return {
        "kind": kind,
        "categories": categories,
        "members": dict(members),
        "weights": weights,
        "levels": {},
        "other_level": intercept,
        "smear": float(np.clip(smear, 0.5, 2.0)),
        "residuals": np.sort(np.log1p(sales) - forecast),
        "interval_level": INTERVAL_LEVEL,
    }
