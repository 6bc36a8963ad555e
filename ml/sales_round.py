"""One round of sales: learn, judge, put on record, publish; skipped when the listings are those of the last round."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deltalake import DeltaTable
from matplotlib.figure import Figure

from conf import training_jobs
from conf.settings import settings
from lakehouse.paths import table_path
from ml import rounds, tracking
from ml.progress import Progress
from ml.sales import SalesRound, train_sales
from ml.sales_judging import SPLITS
from ml.sales_publish import publish
from ml.sales_rows import SOURCE

EXPERIMENT = "sales"


@dataclass(frozen=True)
class Told:
    """What became of a round: `promoted` when a learned model answers now, not a median."""

    promoted: bool
    run_id: str | None
    detail: str


def run(quick: bool = False, if_changed: bool = False, job: str | None = None) -> Told:
    """Raises NothingToLearn while there are too few listings to learn from. `job`: the order that this round answers."""
    progress = Progress(job)
    made_from = {"version": version(), "config": rounds.config(), "folds": settings().cv.folds, "quick": quick}
    last = rounds.noted("sales")
    if if_changed and made_from.items() <= last.items():
        told = Told(last["promoted"], last["run_id"], "the sales model has seen these listings")
    else:
        told = learned(quick, made_from, progress, job)
    if job:
        training_jobs.finish(job, "succeeded" if told.promoted else "rejected", told.promoted, told.run_id, told.detail[:1000])
    return told


def learned(quick: bool, made_from: dict[str, Any], progress: Progress, job: str | None) -> Told:
    """The round itself."""

    def tell(done: float, what: str) -> None:
        progress.say(f"sales {done:3.0f} %: {what}")
        if job:
            training_jobs.progress(job, done)

    done = train_sales(settings().lake_root, settings().training.seed, settings().cv.folds, quick, tell)
    run_id = recorded(done)
    publish(done, run_id)
    promoted = bool(done.model and done.model["members"])
    rounds.note("sales", **made_from | {"version": done.data_version}, champion=done.champion, promoted=promoted, run_id=run_id)
    for line in summary(done):
        progress.say(line)
    return Told(promoted, run_id, done.reason)


def version() -> int | None:
    """Of silver.listings; None while there is no such table."""
    path = table_path(settings().lake_root, SOURCE)
    return DeltaTable(path).version() if DeltaTable.is_deltatable(path) else None


def recorded(done: SalesRound) -> str:
    """The run's id, with all that belongs to it."""
    tracking.connect(EXPERIMENT)
    about = {"data_version": str(done.data_version), "champion": done.champion or "none", "reason": done.reason}
    with tracking.run(f"sales {datetime.now(UTC):%Y-%m-%d %H:%M}", done.parameters, about) as run_id:
        tracking.metrics(done.metrics)
        tracking.table("splits", done.figures)
        tracking.table("leaks", done.leaks)
        tracking.table("importance", [{"feature": name, "share": share} for name, share in done.importance.items()])
        if done.figures:
            keep_plot(done)
    return str(run_id)


def keep_plot(done: SalesRound) -> None:
    plots = settings().state_dir / "training" / "sales_plots"
    plots.mkdir(parents=True, exist_ok=True)
    plot(done).savefig(plots / "three_splits.png", dpi=120)
    tracking.files(plots, "plots")


def summary(done: SalesRound) -> list[str]:
    """The three R² of each model, and who answers."""
    if not done.figures:
        return [f"no sales model was trained: {done.reason}; what answers stays"]
    lines = [f"{'model':<16}" + "".join(f"{split:>10}" for split in SPLITS) + "   R² of units, products and days not seen last"]
    for name in dict.fromkeys(row["model"] for row in done.figures):
        by_split = {row["split"]: row["r2"] for row in done.figures if row["model"] == name}
        cells = "".join(f"{by_split[split]:>10.3f}" if by_split.get(split) is not None else f"{'-':>10}" for split in SPLITS)
        lines.append(f"{name:<16}{cells}")
    caught = ", ".join(one["column_name"] for one in done.leaks if one["verdict"] == "gives the target away")
    lines.append(f"gives the sales away, so never an input: {caught or 'nothing'}")
    return [*lines, f"{done.champion} answers: {done.reason}"]


def plot(done: SalesRound) -> Figure:
    """R² of every model under the three splits."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(row["model"] for row in done.figures))
    for nth, split in enumerate(SPLITS):
        values = {row["model"]: row["r2"] or 0.0 for row in done.figures if row["split"] == split}
        axes.bar([at + 0.27 * nth for at in range(len(names))], [values.get(name, 0.0) for name in names], 0.25, label=split)
    axes.set_xticks([at + 0.27 for at in range(len(names))], names, rotation=20)
    axes.set_ylabel("R² of units")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.legend()
    return figure
