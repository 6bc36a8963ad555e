"""Which columns give the target away: each one alone, and beside the inputs, on products not seen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from xgboost import XGBRegressor

from lakehouse.sales import design
from ml.sales_judging import r2
from ml.sales_rows import Listings
from ml.sales_stack import categories_of

Floats = npt.NDArray[np.float64]
TOO_GOOD = 0.9  # R² of one column: it is the target in other clothes
IDENTITY = 0.95  # share of distinct values from which a whole number is a name
FOLDS = 4


def audit(rows: Listings, seed: int) -> list[dict[str, Any]]:
    """One finding per column: inputs, columns left out, and two made from the target on purpose, which must be caught."""
    inputs = design(rows.inputs, rows.category, categories_of(rows))
    plain = cross_r2(inputs, rows, seed)
    made = {
        "revenue": rows.inputs["price"] * (1 - rows.inputs["discount_pct"] / 100) * rows.sales,
        "sales_rank": np.argsort(np.argsort(-rows.sales)).astype(float),
    }
    return [
        finding(name, role, column, inputs, plain, rows, seed)
        for role, columns in (("input", rows.inputs), ("left out", rows.others), ("control", made))
        for name, column in columns.items()
    ]


def finding(name: str, role: str, column: Floats, inputs: Floats, plain: float, rows: Listings, seed: int) -> dict[str, Any]:
    alone = cross_r2(column[:, None], rows, seed)
    beside = plain if role == "input" else cross_r2(np.column_stack([inputs, column]), rows, seed)
    distinct = len(np.unique(column)) / len(column)
    whole = bool(np.all(column == np.round(column)))
    if alone > TOO_GOOD or (role != "input" and beside > TOO_GOOD and beside - plain > (1 - plain) / 2):
        verdict = "gives the target away"
    elif role == "left out" and whole and distinct > IDENTITY:
        verdict = "names the row"
    elif role == "left out":
        verdict = "not known to the caller"
    else:
        verdict = "clean"
    return {
        "column_name": name,
        "role": role,
        "r2_alone": alone,
        "r2_with_inputs": beside,
        "r2_inputs": plain,
        "distinct_share": distinct,
        "verdict": verdict,
    }


def cross_r2(columns: Floats, rows: Listings, seed: int) -> float:
    """R² of log1p units on groups not seen, by small boosted trees. At least -1: below that all say the same."""
    trees = XGBRegressor(n_estimators=60, max_depth=4, learning_rate=0.15, random_state=seed, n_jobs=1)
    target, answer = np.log1p(rows.sales), np.empty(len(rows))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(columns, groups=rows.group):
        answer[test] = clone(trees).fit(columns[train], target[train]).predict(columns[test])
    return max(r2(target, answer) or 0.0, -1.0)


def stops(findings: list[Mapping[str, Any]]) -> str | None:
    """Why there may be no training, if so: an input that gives the target away, or an audit that sees nothing."""
    bad = [one["column_name"] for one in findings if one["role"] == "input" and one["verdict"] != "clean"]
    if bad:
        return f"input gives the target away: {', '.join(bad)}"
    seen = [one["column_name"] for one in findings if one["role"] == "control" and one["verdict"] == "gives the target away"]
    return None if seen else "the audit caught none of the columns that were made from the target"
