"""Which columns give the sales away: each column alone, and with the inputs, on products not seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, cross_val_predict
from xgboost import XGBRegressor

from lakehouse.sales import design
from ml.sales.load import SalesRows
from ml.sales.splits import r2
from ml.sales.stack import categories_of

Floats = npt.NDArray[np.float64]
LEAK_R2 = 0.9  # of one column: above it the column is a copy of the target
IDENTIFIER_SHARE = 0.95  # of distinct values: above it a whole number identifies the row
FOLDS = 4
LEAKS = "gives the target away"


def audit(rows: SalesRows, seed: int) -> list[dict[str, Any]]:
    """One row of gold.sales_leaks per column: the inputs, the columns left out, and two controls.

    The controls are made from the target on purpose; an audit that does not catch them is worthless.
    """
    inputs = design(rows.inputs, rows.category, categories_of(rows))
    r2_inputs = cross_validated_r2(inputs, rows, seed)
    controls = {
        "revenue": rows.inputs["price"] * (1 - rows.inputs["discount_pct"] / 100) * rows.sales,
        "sales_rank": np.argsort(np.argsort(-rows.sales)).astype(float),
    }
    return [
        audit_column(name, role, column, inputs, r2_inputs, rows, seed)
        for role, columns in (("input", rows.inputs), ("left out", rows.others), ("control", controls))
        for name, column in columns.items()
    ]


def audit_column(
    name: str, role: str, column: Floats, inputs: Floats, r2_inputs: float, rows: SalesRows, seed: int
) -> dict[str, Any]:
    """The row of one column."""
    r2_alone = cross_validated_r2(column[:, None], rows, seed)
    r2_with_inputs = r2_inputs
    if role != "input":
        r2_with_inputs = cross_validated_r2(np.column_stack([inputs, column]), rows, seed)
    distinct_share = len(np.unique(column)) / len(column)
    return {
        "column_name": name,
        "role": role,
        "r2_alone": r2_alone,
        "r2_with_inputs": r2_with_inputs,
        "r2_inputs": r2_inputs,
        "distinct_share": distinct_share,
        "verdict": _verdict(role, column, r2_alone, r2_with_inputs, r2_inputs, distinct_share),
    }


def _verdict(
    role: str,
    column: Floats,
    r2_alone: float,
    r2_with_inputs: float,
    r2_inputs: float,
    distinct_share: float,
) -> str:
    halves_the_rest = r2_with_inputs - r2_inputs > (1 - r2_inputs) / 2
    if r2_alone > LEAK_R2 or (role != "input" and r2_with_inputs > LEAK_R2 and halves_the_rest):
        return LEAKS
    if role != "left out":
        return "clean"
    whole_numbers = bool(np.all(column == np.round(column)))
    return (
        "names the row" if whole_numbers and distinct_share > IDENTIFIER_SHARE else "not known to the caller"
    )


def cross_validated_r2(columns: Floats, rows: SalesRows, seed: int) -> float:
    """R² of log1p units on groups not seen, by small boosted trees.

    At least -1, for there is no use in less.
    """
    trees = XGBRegressor(n_estimators=60, max_depth=4, learning_rate=0.15, random_state=seed, n_jobs=1)
    target = np.log1p(rows.sales)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    forecast = cross_val_predict(trees, columns, target, groups=rows.group, cv=folds)
    return max(r2(target, forecast) or 0.0, -1.0)


def leak_found(audited: Sequence[Mapping[str, Any]]) -> str | None:
    """Why no model may be trained: an input gives the target away, or the audit misses the controls."""
    leaking = [row["column_name"] for row in audited if row["role"] == "input" and row["verdict"] != "clean"]
    if leaking:
        return f"input gives the target away: {', '.join(leaking)}"
    if not any(row["role"] == "control" and row["verdict"] == LEAKS for row in audited):
        return "the audit caught none of the columns that were made from the target"
    return None
