"""The candidates under three splits, side by side: rows at random, products not seen, days not seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold

from lakehouse.sales import predict
from ml.models.parallel import Backend, run_serially
from ml.sales.load import SalesRows
from ml.sales.stack import BASELINES, CATEGORY_MEDIAN, STACK, Folds, Model, fit_candidates

Floats = npt.NDArray[np.float64]
SPLITS = ("random", "grouped", "time")
TEST_SHARE = 0.2  # newest rows of the split by time
LAST_VALUE = "last_value"
SEASONAL_NAIVE = "seasonal_naive"  # of a series: the last known value of the weekday
NAIVE = (LAST_VALUE, SEASONAL_NAIVE)
DRAWS = 2000  # of the bootstrap over groups
Fit = Callable[[SalesRows], dict[str, Model]]


@dataclass(frozen=True)
class SplitPredictions:
    """Forecasts of every model for rows that it was not trained on.

    One split, all models on the same rows.
    """

    split: str
    rows: SalesRows
    forecasts: dict[str, dict[str, Floats]]  # model -> columns of lakehouse.sales.predict
    rows_trained: int  # mean over the folds
    duplicates: int  # rows with the inputs and sales of one trained on; none of products not seen


def split_rows(rows: SalesRows, split: str, folds: int, seed: int) -> Folds:
    """(rows to train on, rows to test on) of each fold; empty when the rows do not allow the split."""
    every = np.arange(len(rows))
    if split == "time":
        late = rows.day > np.quantile(rows.day, 1 - TEST_SHARE)
        return [(every[~late], every[late])] if late.any() and (~late).any() else []
    groups = len(np.unique(rows.group))
    if groups < folds:
        return []
    if split == "random":
        return list(KFold(folds, shuffle=True, random_state=seed).split(every))
    return list(GroupKFold(folds, shuffle=True, random_state=seed).split(every, groups=rows.group))


def predict_split(
    rows: SalesRows, split: str, folds: int, seed: int, fit: Fit, run: Backend = run_serially
) -> SplitPredictions | None:
    """Fit on each fold's training rows and predict its test rows. `run`: what runs the folds.

    None when the rows do not allow the split. Of products not seen, those that are a copy of one trained on
    are left out.
    """
    parts = split_rows(rows, split, folds, seed)
    if split == "grouped":
        parts = without_copies(rows, parts)
    if not parts:
        return None
    trained = [rows.at(train) for train, _ in parts]
    left_out = [rows.at(test) for _, test in parts]
    by_fold: dict[str, list[dict[str, Floats]]] = {}
    for forecasts_of_fold in run(partial(_predict_fold, fit), list(zip(trained, left_out, strict=True))):
        for name, columns in forecasts_of_fold.items():
            by_fold.setdefault(name, []).append(columns)
    if split == "time":
        (before,), (after,) = trained, left_out
        by_fold[LAST_VALUE] = [predict_last_value(before, after, by_fold[CATEGORY_MEDIAN][0])]
        if rows.series:
            by_fold[SEASONAL_NAIVE] = [predict_weekday(before, after, by_fold[LAST_VALUE][0])]
    return SplitPredictions(
        split=split,
        rows=rows.at(np.concatenate([test for _, test in parts])),
        forecasts={
            name: {key: np.concatenate([part[key] for part in folds_of]) for key in folds_of[0]}
            for name, folds_of in by_fold.items()
        },
        rows_trained=round(float(np.mean([len(train) for train, _ in parts]))),
        duplicates=sum(int(are_copies(*pair).sum()) for pair in zip(trained, left_out, strict=True)),
    )


def _predict_fold(fit: Fit, fold: tuple[SalesRows, SalesRows]) -> dict[str, dict[str, Floats]]:
    """Model -> its forecast of the second rows; fitted on the first."""
    before, after = fold
    return {name: predict(model, after.inputs, after.category) for name, model in fit(before).items()}


def without_copies(rows: SalesRows, parts: Folds) -> Folds:
    """The folds without test rows that are a copy of a training row; folds without any other are left out."""
    kept = ((train, test[~are_copies(rows.at(train), rows.at(test))]) for train, test in parts)
    return [(train, test) for train, test in kept if len(test)]


def are_copies(before: SalesRows, after: SalesRows) -> npt.NDArray[np.bool_]:
    """(after,) whether inputs and sales of a row occur in `before`."""
    known = set(map(tuple, np.column_stack([*before.inputs.values(), before.sales]).tolist()))
    tested = np.column_stack([*after.inputs.values(), after.sales]).tolist()
    return np.array([row in known for row in map(tuple, tested)], dtype=bool)


def predict_last_value(
    before: SalesRows, after: SalesRows, category_median: dict[str, Floats]
) -> dict[str, Floats]:
    """The product's last known sales; the category's median for a product not seen. Without an interval."""
    # rows are oldest first, so the newest sales of a product remain
    last = dict(zip(before.product.tolist(), before.sales.tolist(), strict=True))
    products = zip(after.product.tolist(), category_median["units"], strict=True)
    return without_interval(np.array([last.get(product, median) for product, median in products]))


def predict_weekday(before: SalesRows, after: SalesRows, last_value: dict[str, Floats]) -> dict[str, Floats]:
    """The product's last known sales on the same weekday; its last value without one."""
    known = dict(zip(_weekdays(before), before.sales.tolist(), strict=True))
    days = zip(_weekdays(after), last_value["units"], strict=True)
    return without_interval(np.array([known.get(day, last) for day, last in days]))


def _weekdays(rows: SalesRows) -> list[tuple[int, int]]:
    """(product, weekday) of each row."""
    return list(zip(rows.product.tolist(), (np.floor(rows.day) % 7).astype(int).tolist(), strict=True))


def without_interval(units: Floats) -> dict[str, Floats]:
    """The forecast of these units, in the form of lakehouse.sales.predict."""
    missing = np.full(len(units), np.nan)
    names = ("lower", "upper", "confidence")
    return {"units": units, **dict.fromkeys(names, missing), "logs": np.log1p(units)}


def split_scores(predictions: SplitPredictions, name: str) -> dict[str, float | None]:
    """R² of units pooled, within products and of log sales.

    WAPE, RMSE, MAE; skill over the better median; coverage.
    """
    sales = predictions.rows.sales
    forecast = predictions.forecasts[name]
    units = forecast["units"]
    group = predictions.rows.group
    error = np.abs(sales - units)
    baseline_error = np.abs(sales - predictions.forecasts[better_median(predictions)]["units"])
    repeated = np.bincount(group)[group] > 1
    naive_errors = [_sum_of_errors(predictions, naive) for naive in NAIVE if naive in predictions.forecasts]
    has_interval = name not in NAIVE
    inside = (forecast["lower"] <= sales) & (sales <= forecast["upper"])
    low, high = skill_interval(error, baseline_error, group)
    return {
        "r2": r2(sales, units),
        "r2_within": r2(demeaned(sales, group)[repeated], demeaned(units, group)[repeated]),
        "r2_log": r2(np.log1p(sales), forecast["logs"]),
        "wape_pct": 100 * float(error.sum() / sales.sum()) if sales.sum() else None,
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(error.mean()),
        "skill": float(1 - error.sum() / baseline_error.sum()) if baseline_error.sum() else None,
        "skill_low": low,
        "skill_high": high,
        "skill_naive": float(1 - error.sum() / min(naive_errors)) if any(naive_errors) else None,
        "coverage_90": float(inside.mean()) if has_interval else None,
        "width": float((forecast["upper"] - forecast["lower"]).mean()) if has_interval else None,
    }


def better_median(predictions: SplitPredictions) -> str:
    """The baseline with the smaller error in this split: the overall median or that of the category."""
    return min(BASELINES, key=lambda name: _sum_of_errors(predictions, name))


def _sum_of_errors(predictions: SplitPredictions, name: str) -> float:
    return float(np.abs(predictions.rows.sales - predictions.forecasts[name]["units"]).sum())


def r2(actual: Floats, forecast: Floats) -> float | None:
    """1 − squared error / variance; None when `actual` does not vary."""
    spread = float(np.sum((actual - actual.mean()) ** 2)) if len(actual) else 0.0
    return 1 - float(np.sum((actual - forecast) ** 2)) / spread if spread > 0 else None


def demeaned(values: Floats, group: npt.NDArray[np.int64]) -> Floats:
    """Values less the mean of their group."""
    mean: Floats = np.bincount(group, values) / np.maximum(np.bincount(group), 1)
    return values - mean[group]


def skill_interval(
    error: Floats, baseline_error: Floats, group: npt.NDArray[np.int64]
) -> tuple[float | None, float | None]:
    """90 % interval of 1 − Σ error / Σ baseline error, by a bootstrap over groups.

    Whole groups are drawn, because rows of one product are not independent. None where a draw has no baseline
    error.
    """
    number = np.unique(group, return_inverse=True)[1].ravel()
    own = np.bincount(number, error)
    baseline = np.bincount(number, baseline_error)
    drawn = np.random.default_rng(0).integers(0, len(own), (DRAWS, len(own)))
    total = baseline[drawn].sum(axis=1)
    if not (total > 0).all():
        return None, None
    low, high = np.quantile(1 - own[drawn].sum(axis=1) / total, [0.05, 0.95])
    return float(low), float(high)


def permuted_r2(rows: SalesRows, folds: int, seed: int, quick: bool) -> float:
    """R² of the stack on products not seen after the sales were permuted: what it finds where nothing is."""
    shuffled = replace(rows, sales=np.random.default_rng(seed).permutation(rows.sales))
    train, test = split_rows(shuffled, "grouped", folds, seed)[0]
    after = shuffled.at(test)
    model = fit_candidates(shuffled.at(train), folds, seed, quick)[STACK]
    return r2(after.sales, predict(model, after.inputs, after.category)["units"]) or 0.0
