"""Random forest, gradient boosting and xgboost, blended by a ridge that has seen only their out-of-fold answers."""

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
from ml.sales_rows import Listings

Floats = npt.NDArray[np.float64]
Model = dict[str, Any]
Parts = list[tuple[np.ndarray, np.ndarray]]  # rows to learn from, rows to answer on
INTERVAL_LEVEL = 0.90
MEMBERS = ("forest", "boosting", "xgboost")
RIDGE = "ridge"
OVERALL_MEDIAN = "overall_median"
CATEGORY_MEDIAN = "category_median"
BASELINES = (OVERALL_MEDIAN, CATEGORY_MEDIAN)
STACK = "stack"
MOST_CATEGORIES = 60  # the most frequent ones have a column; the others share none


def regressors(seed: int, quick: bool) -> dict[str, RegressorMixin]:
    """The members and a straight line beside them, unfitted; all learn log1p of units."""
    trees = 30 if quick else 100
    return {
        "forest": RandomForestRegressor(trees, min_samples_leaf=5, max_features=0.5, random_state=seed, n_jobs=1),
        "boosting": GradientBoostingRegressor(
            n_estimators=trees, max_depth=3, subsample=0.8, max_features=0.5, random_state=seed
        ),
        "xgboost": XGBRegressor(
            n_estimators=trees, max_depth=4, learning_rate=0.08, subsample=0.8, colsample_bytree=0.8, random_state=seed, n_jobs=1
        ),
        RIDGE: make_pipeline(StandardScaler(), Ridge(10.0)),
    }


def fitted(rows: Listings, folds: int, seed: int, quick: bool) -> dict[str, Model]:
    """Every candidate by name, learned from `rows` alone: members, ridge, both medians, and the stack of the members.

    The fold of a row never holds another row of its group, so the blend and the intervals rest on products not seen.
    """
    target = np.log1p(rows.sales)
    known = categories_of(rows)
    columns = design(rows.inputs, rows.category, known)
    parts = list(
        GroupKFold(min(folds, len(np.unique(rows.group))), shuffle=True, random_state=seed).split(columns, groups=rows.group)
    )
    made: dict[str, Model] = {}
    answers: dict[str, Floats] = {}
    for name, regressor in regressors(seed, quick).items():
        answers[name] = out_of_fold(regressor, columns, target, parts)
        member = clone(regressor).fit(columns, target)
        made[name] = model(name, known, {name: member}, [1.0], 0.0, answers[name], rows.sales)
    stacked = np.column_stack([answers[name] for name in MEMBERS])
    blend = Ridge(1.0, positive=True).fit(stacked, target)
    members = {name: made[name]["members"][name] for name in MEMBERS}
    weights = [float(weight) for weight in blend.coef_]
    made[STACK] = model(STACK, known, members, weights, float(blend.intercept_), blend.predict(stacked), rows.sales)
    one_category = replace(rows, category=np.full(len(rows), ""))
    return made | {
        CATEGORY_MEDIAN: medians(CATEGORY_MEDIAN, rows, parts),
        OVERALL_MEDIAN: medians(OVERALL_MEDIAN, one_category, parts),
    }


def out_of_fold(regressor: RegressorMixin, columns: Floats, target: Floats, parts: Parts) -> Floats:
    """(rows,) answer on each row of a regressor that was fitted without its fold."""
    answer = np.empty(len(target))
    for train, test in parts:
        answer[test] = clone(regressor).fit(columns[train], target[train]).predict(columns[test])
    return answer


def categories_of(rows: Listings) -> list[str]:
    names, count = np.unique(rows.category, return_counts=True)
    return sorted(names[np.argsort(-count, kind="stable")][:MOST_CATEGORIES].tolist())


def medians(kind: str, rows: Listings, parts: Parts) -> Model:
    """The median of the category, of all where the category is new: what anyone can say without a model."""

    def levels(of: np.ndarray) -> tuple[dict[str, float], float]:
        logs = np.log1p(rows.sales[of])
        names = rows.category[of]
        return {str(name): float(np.median(logs[names == name])) for name in np.unique(names)}, float(np.median(logs))

    answer = np.empty(len(rows))
    for train, test in parts:
        known, other = levels(train)
        answer[test] = [known.get(name, other) for name in rows.category[test]]
    own, other = levels(np.arange(len(rows)))
    made = model(kind, [], {}, [], 0.0, answer, rows.sales)
    return made | {"levels": own, "other_level": other, "smear": 1.0}


def model(
    kind: str,
    categories: list[str],
    members: Mapping[str, RegressorMixin],
    weights: list[float],
    intercept: float,
    answer: Floats,
    sales: Floats,
) -> Model:
    """A model as lakehouse/sales.py wants it; `answer`: its out-of-fold log1p units. Smearing as a ratio, after Duan (1983)."""
    smear = float(sales.sum() / max(np.maximum(np.expm1(answer), 0.0).sum(), 1e-9))
    return {
        "kind": kind,
        "categories": categories,
        "members": dict(members),
        "weights": weights,
        "levels": {},
        "other_level": intercept,
        "smear": float(np.clip(smear, 0.5, 2.0)),
        "residuals": np.sort(np.log1p(sales) - answer),
        "interval_level": INTERVAL_LEVEL,
    }
