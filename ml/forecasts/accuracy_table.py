"""An assessment -> gold.model_accuracy, kind backtest, and gold.feature_importance."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lakehouse.io.delta import open_if_exists, replace_once
from ml.evaluation.gate import Assessment
from ml.evaluation.predictions import NAIVE
from ml.evaluation.scores import accuracy_rows
from ml.forecasts.fitted_model import FittedModel
from ml.forecasts.live_accuracy import LEAST_SKILL
from ml.forecasts.rows import region_name

ACCURACY = "gold.model_accuracy"
IMPORTANCE = "gold.feature_importance"


def write_accuracy(assessment: Assessment, champions: Mapping[str, str], run_id: str) -> int:
    """Replace the backtest figures of all models and commodities of the assessment.

    Returns the table's rows.
    """
    predictions = assessment.predictions
    names = {code: region_name(code) for code in predictions.regions}
    rows = accuracy_rows(predictions, assessment.intervals, names, champions, run_id, datetime.now(UTC))
    for row in rows:
        if row["skill_vs_naive"] is None:  # naive was exact where the model was not
            row["skill_vs_naive"] = LEAST_SKILL
    for row in _rows_of_others(set(predictions.models), set(predictions.distinct_commodities)):
        is_champion = champions.get(str(row["commodity"]), NAIVE) == row["model"]
        rows.append(row | {"alias": "champion" if is_champion else None})
    replace_once(ACCURACY, rows, f"backtest {run_id}", "kind = 'backtest'")
    return len(rows)


def _rows_of_others(models: set[str], commodities: set[str]) -> list[dict[str, Any]]:
    """Rows of earlier runs, of models or commodities that this one did not evaluate."""
    table = open_if_exists(ACCURACY)
    rows = table.to_pyarrow_table().to_pylist() if table else []
    return [
        row
        for row in rows
        if row["kind"] == "backtest" and not (row["model"] in models and row["commodity"] in commodities)
    ]


def write_importance(models: Mapping[str, FittedModel], run_id: str) -> int:
    """Replace the feature importance of the pooled price model.

    Returns the rows, 0 when no model has features.
    """
    forecasters = (getattr(model.forecaster, "inner", model.forecaster) for model in models.values())
    importances = (getattr(each, "importance", None) for each in forecasters)
    shares: dict[str, float] = next((importance() for importance in importances if importance), {})
    if not shares:
        return 0
    rows = importance_rows("price", shares, {"run_id": run_id, "measured_at": datetime.now(UTC)})
    replace_once(IMPORTANCE, rows, f"importance {run_id}", "model = 'price'")
    return len(rows)


def importance_rows(
    model: str, shares: Mapping[str, float], about: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Rows of gold.feature_importance of one model, with `about` in each. `shares`: by feature."""
    ranked = sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))
    return [
        {"model": model, "commodity": None, "feature": feature, "importance": share, "rank": rank, **about}
        for rank, (feature, share) in enumerate(ranked, 1)
    ]
