"""Three splits and three R² side by side: rows at random, products not seen, days not seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold

from lakehouse.sales import predicted
from ml.sales_rows import Listings
from ml.sales_stack import BASELINES, CATEGORY_MEDIAN, Model, Parts, fitted

Floats = npt.NDArray[np.float64]
SPLITS = ("random", "grouped", "time")
TEST_SHARE = 0.2  # newest rows of the split by time
LAST_VALUE = "last_value"
DRAWS = 2000  # of the bootstrap over groups
Fit = Callable[[Listings], dict[str, Model]]


@dataclass(frozen=True)
class Answers:
    """What each model said of rows that it had not learned from; one split, all models on the same rows."""

    split: str
    rows: Listings
    units: dict[str, Floats]
    logs: dict[str, Floats]
    inside: dict[str, npt.NDArray[np.bool_]]  # whether the 90 % interval held the sales
    width: dict[str, Floats]
    learned_from: int
    duplicates: int  # rows that stood, inputs and sales alike, among those learned from


def split_rows(rows: Listings, split: str, folds: int, seed: int) -> Parts:
    """Rows to learn from and rows to be judged on; empty when the rows do not allow the split."""
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


def answers(rows: Listings, split: str, folds: int, seed: int, fit: Fit) -> Answers | None:
    """Fit on each part, answer on its other side. None when the rows do not allow the split."""
    parts = split_rows(rows, split, folds, seed)
    if not parts:
        return None
    told: dict[str, list[dict[str, Floats]]] = {}
    duplicates = 0
    for train, test in parts:
        before, after = rows.at(train), rows.at(test)
        duplicates += repeated(before, after)
        for name, model in fit(before).items():
            told.setdefault(name, []).append(predicted(model, after.inputs, after.category.tolist()))
        if split == "time":
            told[LAST_VALUE] = [last_value(before, after, told[CATEGORY_MEDIAN][0])]
    judged = rows.at(np.concatenate([test for _, test in parts]))
    whole = {name: {key: np.concatenate([one[key] for one in parts_]) for key in parts_[0]} for name, parts_ in told.items()}
    return Answers(
        split,
        judged,
        {name: one["units"] for name, one in whole.items()},
        {name: one["logs"] for name, one in whole.items()},
        {name: (one["lower"] <= judged.sales) & (judged.sales <= one["upper"]) for name, one in whole.items()},
        {name: one["upper"] - one["lower"] for name, one in whole.items()},
        round(np.mean([len(train) for train, _ in parts])),
        duplicates,
    )


def repeated(before: Listings, after: Listings) -> int:
    seen = {*map(tuple, np.column_stack([*before.inputs.values(), before.sales]).tolist())}
    return sum(row in seen for row in map(tuple, np.column_stack([*after.inputs.values(), after.sales]).tolist()))


def last_value(before: Listings, after: Listings, otherwise: dict[str, Floats]) -> dict[str, Floats]:
    """The product's last known sales; of a product not seen what the category's median says. No interval of its own."""
    last = dict(zip(before.product.tolist(), before.sales.tolist(), strict=True))  # oldest first: the last one stays
    units = np.array([last.get(p, other) for p, other in zip(after.product.tolist(), otherwise["units"], strict=True)])
    nothing = np.full(len(units), np.nan)
    return {"units": units, "lower": nothing, "upper": nothing, "confidence": nothing, "logs": np.log1p(units)}


def figures(found: Answers, name: str) -> dict[str, float | None]:
    """R² of units pooled, within products and of log sales; WAPE, RMSE, MAE; skill over the better median; coverage."""
    y, units = found.rows.sales, found.units[name]
    error = np.abs(y - units)
    base = np.abs(y - found.units[baseline(found)])
    group = found.rows.group
    within = np.bincount(group)[group] > 1
    coverage = None if name == LAST_VALUE else float(found.inside[name].mean())
    low, high = skill_interval(error, base, group)
    return {
        "r2": r2(y, units),
        "r2_within": r2(demeaned(y, group)[within], demeaned(units, group)[within]),
        "r2_log": r2(np.log1p(y), found.logs[name]),
        "wape_pct": 100 * float(error.sum() / y.sum()) if y.sum() else None,
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(error.mean()),
        "skill": float(1 - error.sum() / base.sum()) if base.sum() else None,
        "skill_low": low,
        "skill_high": high,
        "coverage_90": coverage,
        "width": None if name == LAST_VALUE else float(found.width[name].mean()),
    }


def baseline(found: Answers) -> str:
    """The nearer of the two medians, of all and of the category, in this split: the bar is the higher one."""
    return min(BASELINES, key=lambda name: float(np.abs(found.rows.sales - found.units[name]).sum()))


def r2(y: Floats, units: Floats) -> float | None:
    spread = float(np.sum((y - y.mean()) ** 2)) if len(y) else 0.0
    return 1 - float(np.sum((y - units) ** 2)) / spread if spread > 0 else None


def demeaned(values: Floats, group: npt.NDArray[np.int64]) -> Floats:
    return values - (np.bincount(group, values) / np.maximum(np.bincount(group), 1))[group]


def skill_interval(error: Floats, base: Floats, group: npt.NDArray[np.int64]) -> tuple[float | None, float | None]:
    """90 % interval of 1 − Σ error / Σ base, by drawing whole groups: rows of a product are not independent."""
    number = np.unique(group, return_inverse=True)[1].ravel()
    ours, theirs = np.bincount(number, error), np.bincount(number, base)
    drawn = np.random.default_rng(0).integers(0, len(ours), (DRAWS, len(ours)))
    total = theirs[drawn].sum(axis=1)
    if not (total > 0).all():
        return None, None
    low, high = np.quantile(1 - ours[drawn].sum(axis=1) / total, [0.05, 0.95])
    return float(low), float(high)


def permuted_r2(rows: Listings, folds: int, seed: int, quick: bool) -> float:
    """R² of the stack on products not seen after the sales were dealt out anew: what the procedure finds where nothing is."""
    shuffled = replace(rows, sales=np.random.default_rng(seed).permutation(rows.sales))
    train, test = split_rows(shuffled, "grouped", folds, seed)[0]
    after = shuffled.at(test)
    model = fitted(shuffled.at(train), folds, seed, quick)["stack"]
    return r2(after.sales, predicted(model, after.inputs, after.category.tolist())["units"]) or 0.0
