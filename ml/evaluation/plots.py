"""Plots of a backtest, for the record of a run."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.data.panel import Floats
from ml.evaluation.conformal import WITHIN, Intervals
from ml.evaluation.gate import Assessment
from ml.evaluation.predictions import NAIVE, Ints, Predictions


def save_plots(assessment: Assessment, folder: Path) -> list[Path]:
    """Write PNG files into `folder`.

    Skill by commodity and over time, error by horizon, coverage, reliability.

    For each model also its skill by commodity and horizon. Returns the files; none without predictions.
    """
    predictions, intervals = assessment.predictions, assessment.intervals
    if not len(predictions):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    models = [model for model in predictions.models if model != NAIVE]
    drawn: dict[str, Callable[[Axes], None]] = {
        "skill_by_commodity": partial(_skill_by_commodity, predictions=predictions, models=models),
        "wape_by_horizon": partial(_wape_by_horizon, predictions=predictions),
        "skill_over_time": partial(_skill_over_time, predictions=predictions, models=models),
        "coverage_by_commodity": partial(_coverage, predictions=predictions, intervals=intervals),
        "reliability": partial(_reliability, predictions=predictions, intervals=intervals),
    }
    drawn |= {
        f"skill_{model}": partial(_skill_by_horizon, predictions=predictions, model=model) for model in models
    }
    files = []
    for name, draw in drawn.items():
        figure = Figure(figsize=(9, 5), layout="constrained")  # no pyplot: no window, no global state
        draw(figure.subplots())
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=100, metadata={"Software": None})  # the same figures give the same file
    return files


def _errors(predictions: Predictions, *by: Ints) -> pd.DataFrame:
    """Sum of the absolute errors of each model, a column each, by groups of predictions."""
    errors = {model: np.abs(predictions.actual - own) for model, own in predictions.forecasts.items()}
    return pd.DataFrame(errors).groupby(list(by)).sum()


def _skill(errors: pd.DataFrame) -> pd.DataFrame:
    """What each model saves of naive's error, %."""
    return 100 * (1 - errors.div(np.maximum(errors[NAIVE], 1e-9), axis=0))


def _skill_by_commodity(axes: Axes, predictions: Predictions, models: Sequence[str]) -> None:
    height = 0.8 / max(len(models), 1)
    place = np.arange(len(predictions.distinct_commodities))  # also those without a prediction
    skill = _skill(_errors(predictions, predictions.commodity_index)).reindex(place, fill_value=0.0)
    for number, model in enumerate(models):
        axes.barh(place + number * height, skill[model], height, label=model)
    axes.set_yticks(place + height * (len(models) - 1) / 2, predictions.distinct_commodities)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("skill over naive, % of its error")
    axes.set_xlim(left=max(axes.get_xlim()[0], -40))
    _legend(axes)


def _skill_by_horizon(axes: Axes, predictions: Predictions, model: str) -> None:
    place = np.arange(len(predictions.distinct_commodities))
    by_cell = _skill(_errors(predictions, predictions.commodity_index, predictions.horizon))[model]
    skill = by_cell.unstack(fill_value=0.0).reindex(place, fill_value=0.0)
    axes.imshow(skill, cmap="RdYlGn", vmin=-20, vmax=20, aspect="auto")
    for (row, number), value in np.ndenumerate(skill):
        axes.text(number, row, f"{value:+.1f}", ha="center", va="center", fontsize="small")
    axes.set_xticks(range(len(skill.columns)), [str(horizon) for horizon in skill.columns])
    axes.set_yticks(place, predictions.distinct_commodities)
    axes.set_xlabel(f"days ahead; skill of {model} over naive, %")


def _wape_by_horizon(axes: Axes, predictions: Predictions) -> None:
    actual = pd.Series(predictions.actual).groupby(predictions.horizon).sum()
    for model, error in _errors(predictions, predictions.horizon).items():
        width = 2.5 if model == NAIVE else 1.2
        axes.plot(100 * error / actual, marker="o", label=model, linewidth=width)
    axes.set_xlabel("days ahead")
    axes.set_ylabel("WAPE, %")
    _legend(axes)


def _skill_over_time(axes: Axes, predictions: Predictions, models: Sequence[str]) -> None:
    skill = _skill(_errors(predictions, predictions.origin).cumsum())
    for model in models:
        axes.plot(predictions.days[skill.index], skill[model], label=model)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], -40))
    axes.set_ylabel("skill from the first origin to this one, %")
    _legend(axes)


def _coverage(axes: Axes, predictions: Predictions, intervals: Mapping[str, Intervals]) -> None:
    place = np.arange(len(predictions.distinct_commodities))  # also those without a prediction
    for model, of_model in intervals.items():
        scored = of_model.calibrated
        inside = (of_model.lower[0.8] <= predictions.actual) & (predictions.actual <= of_model.upper[0.8])
        share = pd.Series(inside[scored]).groupby(predictions.commodity_index[scored]).mean()
        axes.plot(100 * share.reindex(place, fill_value=0.0), place, marker="o", linestyle="", label=model)
    axes.axvspan(75, 85, alpha=0.15, color="green")
    axes.axvline(80, color="black", linewidth=0.8)
    axes.set_yticks(place, predictions.distinct_commodities)
    axes.set_xlabel("share of prices inside the 80 % interval, %")
    _legend(axes)


def _reliability(axes: Axes, predictions: Predictions, intervals: Mapping[str, Intervals]) -> None:
    for model, of_model in intervals.items():
        confidence, observed = reliability(predictions, model, of_model)
        axes.plot(confidence, observed, marker="o", label=model)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.set_xlabel(f"confidence: forecast probability of landing within ±{WITHIN:.0%}")
    axes.set_ylabel("observed share")
    _legend(axes)


def reliability(
    predictions: Predictions, model: str, intervals: Intervals, bins: int = 10
) -> tuple[Floats, Floats]:
    """(mean confidence, share that landed within WITHIN) of `bins` equally large classes of confidence."""
    scored = np.flatnonzero(intervals.calibrated)
    order = scored[np.argsort(intervals.confidence[scored], kind="stable")]
    near = np.abs(predictions.actual / predictions.forecasts[model] - 1) <= WITHIN
    parts = [part for part in np.array_split(order, bins) if part.size]
    confidence = np.array([intervals.confidence[part].mean() for part in parts])
    observed = np.array([near[part].mean() for part in parts])
    return confidence, observed


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
