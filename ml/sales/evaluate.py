"""One round of the sales model: column audit, evaluation under three splits, choice of a champion."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.reference import DEFAULT_SHOP
from lakehouse.sales import INPUTS, predict
from ml.data.panel import NothingToLearn
from ml.models.parallel import ProcessBackend, run_serially
from ml.sales.elasticity_tables import elasticity_tables
from ml.sales.leak_audit import audit, leak_found
from ml.sales.load import SalesRows, read_listings
from ml.sales.splits import (
    SPLITS,
    SplitPredictions,
    permuted_r2,
    predict_split,
    split_rows,
    split_scores,
)
from ml.sales.stack import BASELINES, DEMAND, DRAWS, MEMBERS, STACK, Model, fit_candidates, fit_demand
from ml.schedule import LEAST_LISTINGS

FEATURES = (*INPUTS, "category")
PERMUTATIONS = 5  # per feature
MOST_EVALUATED = 4000  # newest rows: an evaluation fits some two hundred models
QUICK_ROWS = 1000  # of a quick round
QUICK_DRAWS = 20
METRICS = ("r2", "r2_within", "r2_log", "wape_pct", "rmse", "mae", "skill", "skill_naive", "coverage_90")
ReportProgress = Callable[[float, str], None]  # percent done, and the step that begins
# R² on permuted sales above which the procedure itself leaks; 0 is expected, the rest is chance
PERMUTED_LIMIT = 0.02


@dataclass(frozen=True)
class SalesRound:
    """One round of training.

    `model` is None when the round was stopped; `reason` is why, or why it was chosen.
    """

    champion: str
    reason: str
    model: Model | None
    scores: list[dict[str, Any]]  # rows of gold.sales_model
    leaks: list[dict[str, Any]]  # rows of gold.sales_leaks
    importance: dict[str, float]  # share of the loss that a feature removes
    parameters: dict[str, Any]
    data_version: int
    shop: str = DEFAULT_SHOP
    elasticities: list[dict[str, Any]] = field(default_factory=list)  # rows of gold.price_elasticity
    lifts: list[dict[str, Any]] = field(default_factory=list)  # rows of gold.discount_lift

    @property
    def metrics(self) -> dict[str, float]:
        """For MLflow: `<split>.<model>.<metric>`."""
        every = (
            (f"{row['split']}.{row['model']}.{name}", row[name]) for row in self.scores for name in METRICS
        )
        return {name: value for name, value in every if value is not None}


def train_sales(
    root: str,
    seed: int,
    folds: int,
    quick: bool = False,
    report: ReportProgress = lambda percent, step: None,
    shop: str = DEFAULT_SHOP,
    processes: int = 1,
) -> SalesRound:
    """Evaluate all candidates on the listings of a shop in the lake `root`. Writes nothing: see `publish`.

    `processes`: how many fit folds at a time; the figures do not depend on it.

    Raises NothingToLearn, with the reason, while there are too few listings.
    """
    rows, version = read_listings(root, shop)
    if rows is None or len(rows) < LEAST_LISTINGS:
        raise NothingToLearn(
            f"silver.listings holds {len(rows or ())} products and days; "
            f"the sales model needs {LEAST_LISTINGS}"
        )
    newest = rows.at(np.arange(len(rows))[-(QUICK_ROWS if quick else MOST_EVALUATED) :])
    done = evaluate(newest, version, seed, folds, quick, report, processes)
    report(95, "price elasticity")
    elasticities, lifts = elasticity_tables(rows, seed)
    return replace(done, shop=shop, elasticities=elasticities, lifts=lifts)


def evaluate(
    rows: SalesRows,
    version: int,
    seed: int,
    folds: int,
    quick: bool,
    report: ReportProgress = lambda percent, step: None,
    processes: int = 1,
) -> SalesRound:
    """`train_sales` on given rows; `version`: of silver.listings."""
    rows = with_enough_groups(rows, 2 * folds)
    fit = partial(fit_candidates, folds=folds, seed=seed, quick=quick)
    parameters = {
        "seed": seed,
        "folds": folds,
        "quick": quick,
        "rows": len(rows),
        "groups": len(np.unique(rows.group)),
    }
    report(0, "audit of the columns")
    leaks = audit(rows, seed)
    leak = leak_found(leaks)
    chance = None if leak else permuted_r2(rows, folds, seed, quick)
    leak = leak or leak_by_chance(chance)
    if leak:
        return SalesRound("", leak, None, [], leaks, {}, parameters, version)
    scores: list[dict[str, Any]] = []
    with ProcessBackend(processes) if processes > 1 else nullcontext(run_serially) as run:
        for number, split in enumerate(SPLITS):
            report(20 + 23 * number, f"{split} split")
            predictions = predict_split(rows, split, folds, seed, fit, run)
            if predictions:
                scores += [score_row(predictions, name, chance) for name in predictions.forecasts]
    champion, reason = choose_champion(scores)
    report(90, "fit of the champion")
    model = fit(rows)[champion] | price_response(rows, scores, seed, QUICK_DRAWS if quick else DRAWS)
    model["data_until"] = str(np.datetime64(int(rows.day.max()), "D"))
    if model["members"]:
        importance = permutation_importance(rows, fit, folds, seed, champion)
    else:
        importance = dict.fromkeys(FEATURES, 0.0)
    scores = [row | {"champion": row["model"] == champion, "reason": reason} for row in scores]
    return SalesRound(champion, reason, model, scores, leaks, importance, parameters, version)


def price_response(rows: SalesRows, scores: list[dict[str, Any]], seed: int, draws: int) -> Model:
    """The demand curves with their draws, and whether they beat the medians on products not seen."""
    grouped = next(row for row in scores if (row["model"], row["split"]) == (DEMAND, "grouped"))
    low = grouped["skill_low"]
    return {"demand": fit_demand(rows, draws, seed), "demand_skill_low": -1.0 if low is None else float(low)}


def with_enough_groups(rows: SalesRows, least: int) -> SalesRows:
    """Rows in at least `least` groups.

    Where names are shared too widely for that, each product number is a group. Raises NothingToLearn when
    there are fewer products than `least`.
    """
    if len(np.unique(rows.group)) < least:
        rows = replace(rows, group=np.unique(rows.product, return_inverse=True)[1].ravel())
    products = len(np.unique(rows.group))
    if products < least:
        raise NothingToLearn(f"silver.listings holds {products} products; the sales model needs {least}")
    return rows


def score_row(predictions: SplitPredictions, name: str, chance: float | None) -> dict[str, Any]:
    """A row of gold.sales_model, without the columns that the whole round decides."""
    return {
        "model": name,
        "split": predictions.split,
        **split_scores(predictions, name),
        "rows_learned": predictions.rows_trained,
        "rows_judged": len(predictions.rows),
        "duplicates": predictions.duplicates,
        "permuted_r2": chance,
    }


def permutation_importance(
    rows: SalesRows, fit: Callable[[SalesRows], dict[str, Model]], folds: int, seed: int, name: str
) -> dict[str, float]:
    """Feature -> share of the error that permuting its values adds, on products not seen.

    Sums to 1, or to 0.
    """
    train, test = split_rows(rows, "grouped", folds, seed)[0]
    model = fit(rows.at(train))[name]
    after = rows.at(test)
    random = np.random.default_rng(seed)

    def error(inputs: dict[str, Any], category: npt.NDArray[np.str_]) -> float:
        return float(np.abs(after.sales - predict(model, inputs, category)["units"]).mean())

    inputs = dict(after.inputs)
    plain = error(inputs, after.category)
    added = dict.fromkeys(FEATURES, 0.0)
    for _ in range(PERMUTATIONS):
        order = random.permutation(len(after))
        for feature in INPUTS:
            added[feature] += error(inputs | {feature: inputs[feature][order]}, after.category) - plain
        added["category"] += error(inputs, after.category[order]) - plain
    positive = {feature: max(value, 0.0) for feature, value in added.items()}
    total = sum(positive.values())
    return {feature: value / total if total else 0.0 for feature, value in positive.items()}


def leak_by_chance(permuted_r2: float | None) -> str | None:
    """Why no model may be trained: skill was found on permuted sales."""
    if permuted_r2 is None or permuted_r2 <= PERMUTED_LIMIT:
        return None
    return f"R² is {permuted_r2:.3f} on permuted sales: the procedure leaks"


def choose_champion(scores: list[dict[str, Any]]) -> tuple[str, str]:
    """(model, reason). `scores`: rows of gold.sales_model.

    The stack is a candidate if it beats its members and the demand curves on products not seen, else the best
    of those is. The
    candidate serves only if it beats the better median there significantly and is no worse on the newest
    days. The random split does not count: it rewards a model that remembers products.
    """
    grouped = {row["model"]: row for row in scores if row["split"] == "grouped"}
    by_time = {row["model"]: row for row in scores if row["split"] == "time"}
    median = min(BASELINES, key=lambda name: grouped[name]["mae"])
    median_name = median.replace("_", " ")
    alone = [name for name in (*MEMBERS, DEMAND) if name in grouped]
    member = min(alone, key=lambda name: grouped[name]["mae"])
    candidate = STACK if grouped[STACK]["mae"] < grouped[member]["mae"] else member
    skill = grouped[candidate]["skill"]
    low = grouped[candidate]["skill_low"]
    if low is None or low <= 0:
        measured = "unknown" if low is None else f"{100 * skill:.1f} %, at least {100 * low:.1f} %"
        return (
            median,
            f"no signal: skill of {candidate} over the {median_name} on products not seen is {measured}; "
            f"the {median_name} serves",
        )
    later_skill = by_time.get(candidate, {}).get("skill")
    if later_skill is not None and later_skill <= 0:
        return (
            median,
            f"{candidate} beats the {median_name} on products not seen, "
            f"but on the newest days its skill is {100 * later_skill:.1f} %",
        )
    comparison = (
        f"the best model alone, {member}, is worse" if candidate == STACK else "the stack is not better"
    )
    return (
        candidate,
        f"skill {100 * skill:.1f} % (at least {100 * low:.1f} %) over the {median_name} "
        f"on products not seen; {comparison}",
    )
