"""Random forest, gradient boosting and xgboost, blended by a ridge regression on out-of-fold forecasts.

For comparison there are a ridge regression and boosted histograms: LightGBM's algorithm in scikit-learn.
LightGBM itself needs the system's libgomp, which slim images do not have.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin, clone
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import PoissonRegressor, Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from lakehouse.sales import TARGETS, demand_columns, demand_logs, design
from ml.sales.load import SalesRows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Model = dict[str, Any]
Folds = list[tuple[Ints, Ints]]  # rows to train on, rows to predict
Designs = list[tuple[Floats, Floats]]  # their columns
INTERVAL_LEVEL = 0.90
MEMBERS = ("forest", "boosting", "xgboost")
RIDGE = "ridge"
HISTOGRAMS = "boosted_histograms"
DEMAND = "demand"
OVERALL_MEDIAN = "overall_median"
CATEGORY_MEDIAN = "category_median"
BASELINES = (OVERALL_MEDIAN, CATEGORY_MEDIAN)
STACK = "stack"
RECENT_SHARE = 0.25  # newest rows of a series, whose errors set level and width of the intervals: shops drift
MOST_CATEGORIES = 60  # the most frequent ones have a column each; the others have none
LEAST_OF_CATEGORY = 60  # rows; smaller categories share one curve
DRAWS = 100
PENALTY = 1e-3  # on standardised columns: it keeps the fit finite where a column does not vary
ALL = ""  # the curve of all rows


def regressors(seed: int, quick: bool) -> dict[str, RegressorMixin]:
    """The members and two models for comparison, unfitted; all are fitted to log1p of units."""
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
        # 31 leaves, rate 0.1, 20 rows a leaf: the defaults of LightGBM too
        HISTOGRAMS: HistGradientBoostingRegressor(max_iter=trees, early_stopping=False, random_state=seed),
    }


def fit_candidates(rows: SalesRows, folds: int, seed: int, quick: bool) -> dict[str, Model]:
    """Every candidate by name: members, those for comparison, demand curves, both medians, and the stack.

    A group is never on both sides of a fold, so the blend and the intervals rest on products not seen.
    """
    parts = folds_of(rows, folds, seed)
    return {
        **fit_regressors(rows, parts, seed, quick),
        DEMAND: fit_curves(rows, parts),
        **fit_medians(rows, parts),
    }


def folds_of(rows: SalesRows, folds: int, seed: int) -> Folds:
    """Shuffled folds of whole groups."""
    splitter = GroupKFold(min(folds, len(np.unique(rows.group))), shuffle=True, random_state=seed)
    return list(splitter.split(rows.sales, groups=rows.group))


def fit_regressors(rows: SalesRows, parts: Folds, seed: int, quick: bool) -> dict[str, Model]:
    """The members, the models for comparison, and the stack of the members."""
    target = np.log1p(rows.sales)
    designs = [fold_design(rows, train, test) for train, test in parts]
    categories = categories_of(rows)
    columns = design(rows.inputs, rows.category, categories)
    models: dict[str, Model] = {}
    forecasts: dict[str, Floats] = {}
    for name, regressor in regressors(seed, quick).items():
        forecasts[name] = out_of_fold(regressor, designs, target, parts)
        member = clone(regressor).fit(columns, target)
        models[name] = _model(name, categories, {name: member}, [1.0], 0.0, forecasts[name], rows)
    stacked = np.column_stack([forecasts[name] for name in MEMBERS])
    blend = Ridge(1.0, positive=True).fit(stacked, target)
    members = {name: models[name]["members"][name] for name in MEMBERS}
    weights = [float(weight) for weight in blend.coef_]
    models[STACK] = _model(
        STACK, categories, members, weights, float(blend.intercept_), blend.predict(stacked), rows
    )
    return models


def fit_curves(rows: SalesRows, parts: Folds) -> Model:
    """The demand curves as a model of their own."""
    forecast = np.empty(len(rows))
    for train, test in parts:
        after = rows.at(test)
        forecast[test] = demand_logs(fit_demand(rows.at(train)), after.inputs, after.category)
    return _model(DEMAND, categories_of(rows), {DEMAND: fit_demand(rows)}, [1.0], 0.0, forecast, rows)


def fit_medians(rows: SalesRows, parts: Folds) -> dict[str, Model]:
    """The medians of the categories and of all rows."""
    one_category = replace(rows, category=np.full(len(rows), ""))
    return {
        CATEGORY_MEDIAN: fit_median(CATEGORY_MEDIAN, rows, parts),
        OVERALL_MEDIAN: fit_median(OVERALL_MEDIAN, one_category, parts),
    }


def fold_design(rows: SalesRows, train: Ints, test: Ints) -> tuple[Floats, Floats]:
    """The columns of a fold's rows, encoded with the categories of those to train on."""
    before = rows.at(train)
    after = rows.at(test)
    categories = categories_of(before)
    return (
        design(before.inputs, before.category, categories),
        design(after.inputs, after.category, categories),
    )


def out_of_fold(regressor: RegressorMixin, designs: Designs, target: Floats, parts: Folds) -> Floats:
    """(rows,) forecast of each row by a regressor that was fitted without its fold."""
    forecast = np.empty(len(target))
    for (train, test), (before, after) in zip(parts, designs, strict=True):
        forecast[test] = clone(regressor).fit(before, target[train]).predict(after)
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
    model = _model(kind, [], {}, [], 0.0, forecast, rows)
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
    members: Mapping[str, Any],
    weights: list[float],
    intercept: float,
    forecast: Floats,
    rows: SalesRows,
) -> Model:
    """A model as lakehouse/sales.py describes it. `forecast`: its out-of-fold log1p units.

    Smearing is a ratio, after Duan (1983). Rows are oldest first.
    """
    recent = round(len(rows) * RECENT_SHARE) if rows.series else len(rows)
    sales = rows.sales[-recent:]
    forecast = forecast[-recent:]
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
        "target": TARGETS[rows.series],
    }


def fit_demand(rows: SalesRows, draws: int = 0, seed: int = 0) -> dict[str, Any]:
    """A demand model as lakehouse/sales.py describes it, and `draws` more fits on resampled products.

    log units = a + b log(net price) + c net price + discount + rating + log reviews + day. The two terms of
    the price give a curve of constant elasticity (c = 0), an exponential one (b = 0), and what lies between.
    """
    names, counts = np.unique(rows.category, return_counts=True)
    parts = {str(name): rows.category == name for name in names[counts >= LEAST_OF_CATEGORY]}
    parts[ALL] = np.ones(len(rows), dtype=bool)
    random = np.random.default_rng(seed)
    return {name: _fit_curve(rows.at(np.flatnonzero(part)), draws, random) for name, part in parts.items()}


def _fit_curve(rows: SalesRows, draws: int, random: np.random.Generator) -> dict[str, Any]:
    price = rows.inputs["price"]
    net = price * (1 - rows.inputs["discount_pct"] / 100)
    unit = max(float(np.median(net)), 1e-9)
    days = (rows.day - rows.day.max()) / 365 if rows.series else np.zeros(len(rows))
    columns = np.column_stack([demand_columns(rows.inputs, unit), days])
    center = columns.mean(axis=0)
    scale = columns.std(axis=0)
    scale[scale == 0] = 1.0
    center[-1] = 0.0  # a forecast is for the newest day
    standard = (columns - center) / scale
    chosen = [np.arange(len(rows)), *(drawn_rows(rows.group, random) for _ in range(draws))]
    weights = np.array([_poisson(standard[part], rows.sales[part]) for part in chosen])
    return {
        "unit": unit,
        "center": center[:-1],
        "scale": scale[:-1],
        "weights": np.delete(weights, -1, axis=1),  # without the day's: it is 0 on the newest
        "price_low": float(price.min()),
        "price_high": float(price.max()),
    }


def drawn_rows(group: Ints, random: np.random.Generator) -> Ints:
    """The rows of as many groups as there are, drawn with replacement."""
    order = np.argsort(group, kind="stable")
    names, starts = np.unique(group[order], return_index=True)
    parts = np.split(order, starts[1:])
    return np.concatenate([parts[number] for number in random.integers(0, len(names), len(names))])


def _poisson(columns: Floats, units: Floats) -> Floats:
    """(1 + columns,) intercept and weights; a constant where nothing was sold."""
    if not units.any():
        return np.concatenate([[-50.0], np.zeros(columns.shape[1])])
    fitted = PoissonRegressor(alpha=PENALTY, solver="newton-cholesky", max_iter=200).fit(columns, units)
    return np.concatenate([[fitted.intercept_], fitted.coef_])
