"""One sales round: train, record, publish.

It is skipped when the last round was trained on the same listings.
"""

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from conf.settings import settings
from lakehouse.io.delta import open_if_exists
from lakehouse.reference import DEFAULT_SHOP
from ml import schedule
from ml.data.panel import NothingToLearn
from ml.forecasts import mlflow_store
from ml.progress import TrainingProgress, end_job
from ml.sales.elasticity_tables import ALL_PRODUCTS
from ml.sales.evaluate import SalesRound, train_sales
from ml.sales.leak_audit import LEAKS
from ml.sales.load import LISTINGS, shops_of
from ml.sales.publish import publish
from ml.sales.splits import SPLITS

EXPERIMENT = "sales"
QUICK_FOLDS = 3


@dataclass(frozen=True)
class SalesOutcome:
    """Result of a round. `promoted`: a trained model serves now, not a median."""

    promoted: bool
    run_id: str | None
    detail: str


def run(quick: bool = False, if_changed: bool = False, job: str | None = None) -> SalesOutcome:
    """Run one round.

    `job`: the training job that it answers. Raises NothingToLearn while listings are too few.
    """
    made_from = {
        "version": listings_version(),
        "config": schedule.knobs_fingerprint(),
        "folds": settings().cv.folds,
        "quick": quick,
    }
    last = schedule.read_note("sales")
    if if_changed and made_from.items() <= last.items():
        detail = "the sales model was already trained on these listings"
        outcome = SalesOutcome(last["promoted"], last["run_id"], detail)
    else:
        outcome = _train(quick, made_from, TrainingProgress(job))
    end_job(job, outcome.promoted, outcome.run_id, outcome.detail)
    return outcome


def _train(quick: bool, made_from: dict[str, Any], progress: TrainingProgress) -> SalesOutcome:
    """Train a model for every shop with enough listings. Raises NothingToLearn where none has."""
    shops = shops_of(settings().lake_root) or [DEFAULT_SHOP]
    outcomes: list[SalesOutcome] = []
    versions: list[int] = []
    too_few: list[str] = []
    for number, shop in enumerate(shops):
        try:
            trained = _train_shop(shop, quick, progress, number, len(shops))
        except NothingToLearn as reason:
            too_few.append(str(reason))
            progress.print(f"{shop}: {reason}")
            continue
        run_id = _record(trained)
        publish(trained, run_id)
        for line in summary(trained):
            progress.print(line)
        versions.append(trained.data_version)
        promoted = bool(trained.model and trained.model["members"])
        detail = f"{shop}: {trained.reason}" if len(shops) > 1 else trained.reason
        outcomes.append(SalesOutcome(promoted, run_id, detail))
    if not outcomes:
        raise NothingToLearn("; ".join(too_few))
    promoted = any(outcome.promoted for outcome in outcomes)
    detail = "; ".join(outcome.detail for outcome in outcomes)
    whole = SalesOutcome(promoted, outcomes[0].run_id, detail)
    note = made_from | {"version": min(versions), "promoted": promoted, "run_id": whole.run_id}
    schedule.write_note("sales", **note)
    return whole


def _train_shop(shop: str, quick: bool, progress: TrainingProgress, number: int, shops: int) -> SalesRound:
    """The round of one shop, the `number`-th of `shops`."""

    def report(percent: float, step: str) -> None:
        progress.print(f"sales of {shop} {percent:3.0f} %: {step}")
        progress.percent((100 * number + percent) / shops)

    knobs = settings()
    processes = 1 if quick else knobs.training.processes
    folds = min(knobs.cv.folds, QUICK_FOLDS) if quick else knobs.cv.folds
    return train_sales(knobs.lake_root, knobs.training.seed, folds, quick, report, shop, processes)


def listings_version() -> int | None:
    """Version of silver.listings; None while there is no such table."""
    table = open_if_exists(LISTINGS)
    return table.version() if table else None


def _record(trained: SalesRound) -> str:
    """Log the round as one MLflow run; returns the run's id."""
    tags = {
        "data_version": str(trained.data_version),
        "champion": trained.champion or "none",
        "shop": trained.shop,
        "reason": trained.reason,
    }
    with mlflow_store.start_run(EXPERIMENT, trained.parameters, tags) as run_id:
        mlflow_store.log_metrics(trained.metrics)
        mlflow_store.log_table("splits", trained.scores)
        mlflow_store.log_table("leaks", trained.leaks)
        importance = [{"feature": name, "share": share} for name, share in trained.importance.items()]
        mlflow_store.log_table("importance", importance)
        mlflow_store.log_table("elasticity", trained.elasticities)
        if trained.scores:
            mlflow_store.log_plot("three_splits", plot(trained))
    return str(run_id)


def summary(trained: SalesRound) -> list[str]:
    """Lines with R² of each model under the three splits, the leaking columns, champion and elasticities."""
    if not trained.scores:
        return [f"no sales model was trained: {trained.reason}; the model that serves is unchanged"]
    heads = "".join(f"{split:>10}" for split in SPLITS)
    lines = [f"{'model':<16}{heads}   R² of units; grouped: products not seen, time: days not seen"]
    for name in dict.fromkeys(row["model"] for row in trained.scores):
        by_split = {row["split"]: row["r2"] for row in trained.scores if row["model"] == name}
        values = (by_split.get(split) for split in SPLITS)
        columns = "".join(f"{'-':>10}" if value is None else f"{value:>10.3f}" for value in values)
        lines.append(f"{name:<16}{columns}")
    leaking = ", ".join(row["column_name"] for row in trained.leaks if row["verdict"] == LEAKS)
    lines.append(f"columns that give the sales away, never used as inputs: {leaking or 'none'}")
    lines.append(f"{trained.champion} serves: {trained.reason}")
    return lines + [elasticity_line(row) for row in trained.elasticities if row["product_id"] == ALL_PRODUCTS]


def elasticity_line(row: dict[str, Any]) -> str:
    """What is known of the category of a row of gold.price_elasticity."""
    name = row["category"]
    if row["elasticity"] is None:
        return f"price elasticity of {name} is not known: {row['reason']}"
    best, low, high, naive = (
        row[key] for key in ("elasticity", "elasticity_low", "elasticity_high", "naive_elasticity")
    )
    return (
        f"price elasticity of {name}: {best:.2f}, from {low:.2f} to {high:.2f}; prices alone show {naive:.2f}"
    )


def plot(trained: SalesRound) -> Figure:
    """R² of every model under the three splits."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(row["model"] for row in trained.scores))
    for number, split in enumerate(SPLITS):
        values = {row["model"]: row["r2"] or 0.0 for row in trained.scores if row["split"] == split}
        positions = [position + 0.27 * number for position in range(len(names))]
        axes.bar(positions, [values.get(name, 0.0) for name in names], 0.25, label=split)
    axes.set_xticks([position + 0.27 for position in range(len(names))], names, rotation=20)
    axes.set_ylabel("R² of units")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.legend()
    return figure
