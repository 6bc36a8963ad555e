"""One sentiment round: read labelled texts, train, record, and serve the model if it beats the lexicon."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import skops.io

from conf.runtime.status_files import write_bytes
from conf.settings import settings
from lakehouse.io.sentiment_model import sentiment_model_file
from ml.forecasts import mlflow_store
from ml.progress import TrainingProgress
from ml.sentiment.fit import SentimentRound, train_sentiment
from ml.sentiment.labelled_file import read_labelled

EXPERIMENT = "sentiment"


def run(data: Path, test: Path | None = None) -> SentimentRound:
    """Run one round; a model that passes serves.

    Raises NothingToLearn when a file cannot be used or has too few labelled texts.
    """
    progress = TrainingProgress()
    rows = read_labelled(data)
    progress.print(f"{len(rows.texts)} labelled texts in {data.name}")
    tested = read_labelled(test) if test else None
    trained = train_sentiment(rows, tested, settings().training.seed)
    run_id = _record(trained, data)
    if trained.passes:
        publish(trained, run_id)
    for line in summary(trained):
        progress.print(line)
    return trained


def publish(trained: SentimentRound, run_id: str) -> None:
    """Replace the champion's file: gold.sentiment is computed with it from the next background round on."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    model = trained.model | {"version": now, "run_id": run_id}
    sentiment_model_file().parent.mkdir(parents=True, exist_ok=True)
    write_bytes(sentiment_model_file(), file_of(model))


def file_of(model: dict[str, Any]) -> bytes:
    """The model as a compressed file: most of its hashed n-grams never occurred and weigh 0."""
    content: bytes = skops.io.dumps(model, compression=ZIP_DEFLATED, compresslevel=6)
    return content


def _record(trained: SentimentRound, data: Path) -> str:
    """Log the round as one MLflow run; returns the run's id."""
    texts, tests = trained.rows
    parameters = {"data": data.name, "split": trained.split, "texts": texts, "tests": tests}
    with mlflow_store.start_run(EXPERIMENT, parameters, {"promoted": str(trained.passes)}) as run_id:
        metrics = {f"macro_f1_{each.name}": each.macro_f1 for each in trained.evaluations}
        mlflow_store.log_metrics(metrics | {"advantage_low": trained.advantage_low})
        mlflow_store.log_table("evaluations", [vars(each) for each in trained.evaluations])
        mlflow_store.log_model_file("sentiment.skops", file_of(trained.model))
    return str(run_id)


def summary(trained: SentimentRound) -> list[str]:
    """Lines with the figures of each classifier and whether the model serves."""
    polarities = list(trained.evaluations[0].recall)
    heads = "".join(f"{f'recall {name}':>16}" for name in polarities)
    lines = [
        *trained.notes,
        f"split {trained.split}; {trained.rows[0]} training and {trained.rows[1]} test texts",
    ]
    lines.append(f"{'classifier':<12}{'macro-F1':>10}{'accuracy':>10}{heads}")
    for each in trained.evaluations:
        recalls = "".join(f"{each.recall[name]:>16.3f}" for name in polarities)
        lines.append(f"{each.name:<12}{each.macro_f1:>10.3f}{each.accuracy:>10.3f}{recalls}")
    lines.append(f"{trained.milliseconds_a_text:.2f} ms a text")
    low = f"{100 * trained.advantage_low:+.1f} points of macro-F1 at least (90 % interval)"
    if trained.passes:
        lines.append(f"the trained model serves: {low} over the lexicon")
    else:
        lines.append(f"the lexicon keeps serving: the trained model has {low} over it")
    return lines
