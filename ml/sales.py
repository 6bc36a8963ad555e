"""The sales model of one round: candidates judged under three splits, columns audited, one chosen or none."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lakehouse.sales import INPUTS, predicted
from ml.panel import NothingToLearn
from ml.sales_gate import by_chance, choice
from ml.sales_judging import SPLITS, Answers, answers, figures, permuted_r2, split_rows
from ml.sales_leaks import audit, stops
from ml.sales_rows import Listings, read_listings
from ml.sales_stack import Model, fitted

FEATURES = (*INPUTS, "category")
LEAST_ROWS = 100
DEALS = 5  # permutations per feature
Tell = Callable[[float, str], None]  # percent done, and what is done now


@dataclass(frozen=True)
class SalesRound:
    """One round of training. `model` is None when nothing may be exported; `reason` says why, or why it is this one."""

    champion: str
    reason: str
    model: Model | None
    figures: list[dict[str, Any]]  # rows of gold.sales_model
    leaks: list[dict[str, Any]]  # rows of gold.sales_leaks
    importance: dict[str, float]  # share of the loss that a feature removes
    parameters: dict[str, Any]
    data_version: int

    @property
    def metrics(self) -> dict[str, float]:
        """For the record: `<split>.<model>.<figure>`."""
        names = ("r2", "r2_within", "r2_log", "wape_pct", "rmse", "mae", "skill", "coverage_90")
        every = ((f"{row['split']}.{row['model']}.{name}", row[name]) for row in self.figures for name in names)
        return {name: value for name, value in every if value is not None}


def train_sales(root: str, seed: int, folds: int, quick: bool = False, tell: Tell = lambda done, what: None) -> SalesRound:
    """Judge all candidates on the listings of the lake `root`. Writes nothing: see `publish`.

    Raises NothingToLearn, with the reason, while there are too few listings to learn from.
    """
    rows, version = read_listings(root)
    if rows is None or len(rows) < LEAST_ROWS:
        raise NothingToLearn(f"silver.listings holds {len(rows or ())} products and days; the sales model needs {LEAST_ROWS}")
    return judged(rows, version, seed, folds, quick, tell)


def judged(rows: Listings, version: int, seed: int, folds: int, quick: bool, tell: Tell = lambda done, what: None) -> SalesRound:
    """The same on rows at hand."""
    rows = apart(rows, 2 * folds)
    fit = partial(fitted, folds=folds, seed=seed, quick=quick)
    parameters = {"seed": seed, "folds": folds, "quick": quick, "rows": len(rows), "groups": len(np.unique(rows.group))}
    tell(0, "which columns give the sales away")
    leaks = audit(rows, seed)
    chance = None if (stopped := stops(leaks)) else permuted_r2(rows, folds, seed, quick)
    stopped = stopped or by_chance(chance)
    if stopped:
        return SalesRound("", stopped, None, [], leaks, {}, parameters, version)
    told = []
    for number, split in enumerate(SPLITS):
        tell(20 + 23 * number, f"{split} split")
        if answer := answers(rows, split, folds, seed, fit):
            told += [about(answer, name, chance) for name in answer.units]
    champion, reason = choice(told)
    tell(90, "the model that answers")
    model = fit(rows)[champion]
    shares = importance(rows, fit, folds, seed, champion) if model["members"] else dict.fromkeys(FEATURES, 0.0)
    told = [row | {"champion": row["model"] == champion, "reason": reason} for row in told]
    return SalesRound(champion, reason, model, told, leaks, shares, parameters, version)


def apart(rows: Listings, least: int) -> Listings:
    """Rows in `least` groups at least; where names are shared too widely for that, a product number alone makes a group."""
    if len(np.unique(rows.group)) < least:
        rows = replace(rows, group=np.unique(rows.product, return_inverse=True)[1].ravel())
    if (products := len(np.unique(rows.group))) < least:
        raise NothingToLearn(f"silver.listings holds {products} products; the sales model needs {least}")
    return rows


def about(found: Answers, name: str, chance: float) -> dict[str, Any]:
    """A row of gold.sales_model, but for what the whole round decides."""
    counted = {"rows_learned": found.learned_from, "rows_judged": len(found.rows), "duplicates": found.duplicates}
    return {"model": name, "split": found.split} | figures(found, name) | counted | {"permuted_r2": chance}


def importance(rows: Listings, fit: Callable[[Listings], dict[str, Model]], folds: int, seed: int, name: str) -> dict[str, float]:
    """Share of each feature in what the error grows by when its values are dealt anew, on products not seen; sums to 1 or 0."""
    train, test = split_rows(rows, "grouped", folds, seed)[0]
    model, after, dice = fit(rows.at(train))[name], rows.at(test), np.random.default_rng(seed)

    def error(inputs: dict[str, Any], category: np.ndarray) -> float:
        return float(np.abs(after.sales - predicted(model, inputs, category.tolist())["units"]).mean())

    plain, grown = error(dict(after.inputs), after.category), dict.fromkeys(FEATURES, 0.0)
    for _ in range(DEALS):
        deal = dice.permutation(len(after))
        for feature in INPUTS:
            grown[feature] += error({**after.inputs, feature: after.inputs[feature][deal]}, after.category) - plain
        grown["category"] += error(dict(after.inputs), after.category[deal]) - plain
    kept = {feature: max(more, 0.0) for feature, more in grown.items()}
    total = sum(kept.values())
    return {feature: more / total if total else 0.0 for feature, more in kept.items()}
