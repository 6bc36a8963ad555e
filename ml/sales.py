"""The sales model, from silver.listings to a file that answers: judged under three splits, audited, and only then exported."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import skops.io

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.sales import INPUTS, predicted
from ml.sales_judging import SPLITS, Answers, answers, figures, permuted_r2, split_rows
from ml.sales_leaks import audit, stops
from ml.sales_rows import Listings, read_listings
from ml.sales_stack import BASELINES, MEMBERS, OVERALL_MEDIAN, STACK, Model, fitted
from ml.tables import replace as replace_rows

FEATURES = (*INPUTS, "category")
FIGURES, LEAKS, IMPORTANCE = "gold.sales_model", "gold.sales_leaks", "gold.feature_importance"
LEAST_ROWS = 100
PERMUTED_LIMIT = 0.02  # R² that chance may reach where the sales are dealt out anew
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


def model_file() -> Path:
    """Where the champion lies for those that serve it."""
    return settings().state_dir / "models" / "sales.skops"


def train_sales(root: str, seed: int, folds: int, quick: bool = False, tell: Tell = lambda done, what: None) -> SalesRound:
    """Judge all candidates on the listings of the lake `root`. Writes nothing: see `publish`.

    Raises FileNotFoundError, with the reason, while there are too few listings to learn from.
    """
    rows, version = read_listings(root)
    if rows is None or len(rows) < LEAST_ROWS:
        raise FileNotFoundError(f"silver.listings holds {len(rows or ())} products and days; the sales model needs {LEAST_ROWS}")
    return judged(rows, version, seed, folds, quick, tell)


def judged(rows: Listings, version: int, seed: int, folds: int, quick: bool, tell: Tell = lambda done, what: None) -> SalesRound:
    """The same on rows at hand."""
    if len(np.unique(rows.group)) < 2 * folds:  # names are shared too widely to tell products apart
        rows = replace(rows, group=np.unique(rows.product, return_inverse=True)[1].ravel())
    fit = partial(fitted, folds=folds, seed=seed, quick=quick)
    tell(0, "which columns give the sales away")
    leaks = audit(rows, seed)
    found: list[Answers] = []
    for number, split in enumerate(SPLITS):
        tell(5 + 25 * number, f"{split} split")
        answer = answers(rows, split, folds, seed, fit)
        found += [answer] if answer else []
    tell(80, "sales dealt out anew")
    chance = permuted_r2(rows, folds, seed, quick)
    told = [about(one, name, chance) for one in found for name in one.units]
    stopped = stops(leaks) or by_chance(chance)
    champion, reason = ("", stopped) if stopped else choice(told)
    tell(90, "the model that answers")
    model = None if stopped else fit(rows)[champion]
    shares = importance(rows, fit, folds, seed, champion) if model and model["members"] else dict.fromkeys(FEATURES, 0.0)
    told = [row | {"champion": row["model"] == champion, "reason": reason} for row in told]
    parameters = {"seed": seed, "folds": folds, "quick": quick, "rows": len(rows), "groups": len(np.unique(rows.group))}
    return SalesRound(champion, reason, model, told, leaks, shares, parameters, version)


def about(found: Answers, name: str, chance: float) -> dict[str, Any]:
    """A row of gold.sales_model, but for what the whole round decides."""
    counted = {"rows_learned": found.learned_from, "rows_judged": len(found.rows), "duplicates": found.duplicates}
    return {"model": name, "split": found.split} | figures(found, name) | counted | {"permuted_r2": chance}


def by_chance(chance: float) -> str | None:
    return f"R² is {chance:.3f} with sales dealt out anew: the procedure leaks" if chance > PERMUTED_LIMIT else None


def choice(told: list[dict[str, Any]]) -> tuple[str, str]:
    """Who answers: on products not seen the stack, if it beats its best member there; and only if it surely beats the median.

    The random split has no say: it flatters whoever remembers products.
    """
    grouped = {row["model"]: row for row in told if row["split"] == "grouped"}
    later = {row["model"]: row for row in told if row["split"] == "time"}
    if not grouped:
        return OVERALL_MEDIAN, "too few products to judge on products not seen; the median answers"
    median = min(BASELINES, key=lambda name: grouped[name]["mae"])
    member = min(MEMBERS, key=lambda name: grouped[name]["mae"])
    best = STACK if grouped[STACK]["mae"] < grouped[member]["mae"] else member
    low, skill = grouped[best]["skill_low"], grouped[best]["skill"]
    if low is None or low <= 0:
        says = "unknown" if low is None else f"{100 * skill:.1f} %, at least {100 * low:.1f} %"
        return median, f"no signal: skill of {best} over the {spoken(median)} on products not seen is {says}; so that answers"
    after = later.get(best, {}).get("skill")
    if after is not None and after <= 0:
        return (
            median,
            f"{best} beats the {spoken(median)} on products not seen, but on the newest days its skill is {100 * after:.1f} %",
        )
    rest = f"nearer than its best member, {member}" if best == STACK else "the stack is not nearer"
    return best, f"skill {100 * skill:.1f} % (at least {100 * low:.1f} %) over the {spoken(median)} on products not seen; {rest}"


def spoken(name: str) -> str:
    return name.replace("_", " ")


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


def publish(done: SalesRound, run_id: str) -> bool:
    """Write the round's tables, and the file that answers when the round has a champion. False when they stood already."""
    now = datetime.now(UTC)
    marks = {"run_id": run_id, "data_version": done.data_version, "measured_at": now}
    fresh = write(FIGURES, [row | marks for row in done.figures], run_id)
    write(LEAKS, [row | marks for row in done.leaks], run_id)
    ranked = sorted(done.importance.items(), key=lambda pair: (-pair[1], pair[0]))
    write(
        IMPORTANCE,
        [
            {"model": "sales", "commodity": None, "feature": name, "importance": share, "rank": rank, **marks}
            for rank, (name, share) in enumerate(ranked, 1)
        ],
        run_id,
        "model = 'sales'",
    )
    if done.model:
        export(
            done.model
            | {"run_id": run_id, "data_version": done.data_version, "trained_at": now.isoformat(), "reason": done.reason}
        )
    return fresh


def write(table: str, rows: list[dict[str, Any]], run_id: str, where: str | None = None) -> bool:
    columns = contracts()[table].column_names
    told = pa.Table.from_pylist([{name: row[name] for name in columns} for row in rows], schema=arrow_schema(contracts()[table]))
    return replace_rows(table, told, f"sales {run_id}", where)


def export(model: Model) -> None:
    """Put the file in its place in one step: a reader sees the old one or the new one."""
    file = model_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".tmp")
    skops.io.dump(model, fresh)
    fresh.replace(file)
