"""Plots of a backtest, for the record of a run."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.cells import NAIVE, Cells
from ml.intervals import WITHIN, Bands
from ml.judge import Judgement


def plots(judgement: Judgement, folder: Path) -> list[Path]:
    """PNG files: skill by commodity (and horizon, of each model), error by horizon, skill over time, coverage, reliability."""
    cells, bands = judgement.cells, judgement.bands
    if not len(cells):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    models = [model for model in cells.models if model != NAIVE]
    drawn: dict[str, Callable[[Axes], None]] = {
        "skill_by_commodity": partial(_skill_by_commodity, cells=cells, models=models),
        "wape_by_horizon": partial(_wape_by_horizon, cells=cells),
        "skill_over_time": partial(_skill_over_time, cells=cells, models=models),
        "coverage_by_commodity": partial(_coverage, cells=cells, bands=bands),
        "reliability": partial(_reliability, cells=cells, bands=bands),
    }
    drawn |= {f"skill_{model}": partial(_skill_by_horizon, cells=cells, model=model) for model in models}
    files = []
    for name, draw in drawn.items():
        figure = Figure(figsize=(9, 5), layout="constrained")  # no pyplot: no window, no global state
        draw(figure.subplots())
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=100, metadata={"Software": None})  # the same figures give the same file
    return files


def _skill_by_commodity(axes: Axes, cells: Cells, models: Sequence[str]) -> None:
    height = 0.8 / max(len(models), 1)
    place = np.arange(len(cells.goods))
    for nth, model in enumerate(models):
        own, other = (np.bincount(cells.good, np.abs(cells.actual - made)) for made in (cells.forecasts[model], cells.naive))
        axes.barh(place + nth * height, 100 * (1 - own / np.maximum(other, 1e-9)), height, label=model)
    axes.set_yticks(place + height * (len(models) - 1) / 2, cells.goods)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("skill over naive, % of its error")
    axes.set_xlim(left=max(axes.get_xlim()[0], -40))
    _legend(axes)


def _skill_by_horizon(axes: Axes, cells: Cells, model: str) -> None:
    horizons, column = np.unique(cells.horizon, return_inverse=True)
    group, shape = cells.good * len(horizons) + column, (len(cells.goods), len(horizons))
    own, other = (
        np.bincount(group, np.abs(cells.actual - made), shape[0] * shape[1]).reshape(shape)
        for made in (cells.forecasts[model], cells.naive)
    )
    skill = 100 * (1 - own / np.maximum(other, 1e-9))
    axes.imshow(skill, cmap="RdYlGn", vmin=-20, vmax=20, aspect="auto")
    for (row, nth), value in np.ndenumerate(skill):
        axes.text(nth, row, f"{value:+.1f}", ha="center", va="center", fontsize="small")
    axes.set_xticks(range(len(horizons)), [str(horizon) for horizon in horizons])
    axes.set_yticks(range(len(cells.goods)), cells.goods)
    axes.set_xlabel(f"days ahead; skill of {model} over naive, %")


def _wape_by_horizon(axes: Axes, cells: Cells) -> None:
    horizons = np.unique(cells.horizon)
    for model in cells.models:
        error = np.abs(cells.actual - cells.forecasts[model])
        ratio = [100 * error[cells.horizon == h].sum() / cells.actual[cells.horizon == h].sum() for h in horizons]
        axes.plot(horizons, ratio, marker="o", label=model, linewidth=2.5 if model == NAIVE else 1.2)
    axes.set_xlabel("days ahead")
    axes.set_ylabel("WAPE, %")
    _legend(axes)


def _skill_over_time(axes: Axes, cells: Cells, models: Sequence[str]) -> None:
    origin, nth = np.unique(cells.origin, return_inverse=True)
    other = np.bincount(nth, np.abs(cells.actual - cells.naive))
    for model in models:
        saved = other - np.bincount(nth, np.abs(cells.actual - cells.forecasts[model]))
        axes.plot(cells.days[origin], 100 * saved.cumsum() / np.maximum(other.cumsum(), 1e-9), label=model)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], -40))
    axes.set_ylabel("skill from the first origin to this one, %")
    _legend(axes)


def _coverage(axes: Axes, cells: Cells, bands: Mapping[str, Bands]) -> None:
    place = np.arange(len(cells.goods))
    for model, band in bands.items():
        held = band.calibrated
        inside = (band.lower[0.8] <= cells.actual) & (cells.actual <= band.upper[0.8]) & held
        share = np.bincount(cells.good, inside) / np.maximum(np.bincount(cells.good, held), 1)
        axes.plot(100 * share, place, marker="o", linestyle="", label=model)
    axes.axvspan(75, 85, alpha=0.15, color="green")
    axes.axvline(80, color="black", linewidth=0.8)
    axes.set_yticks(place, cells.goods)
    axes.set_xlabel("share of prices inside the 80 % interval, %")
    _legend(axes)


def _reliability(axes: Axes, cells: Cells, bands: Mapping[str, Bands]) -> None:
    for model, band in bands.items():
        said, came = reliability(cells, model, band)
        axes.plot(said, came, marker="o", label=model)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.set_xlabel(f"confidence: said probability of landing within ±{WITHIN:.0%}")
    axes.set_ylabel("share that did")
    _legend(axes)


def reliability(cells: Cells, model: str, band: Bands, bins: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """(mean confidence said, share that landed within WITHIN) of `bins` equally filled classes of confidence."""
    held = np.flatnonzero(band.calibrated)
    order = held[np.argsort(band.confidence[held], kind="stable")]
    near = np.abs(cells.actual / cells.forecasts[model] - 1) <= WITHIN
    parts = [part for part in np.array_split(order, bins) if part.size]
    return np.array([band.confidence[part].mean() for part in parts]), np.array([near[part].mean() for part in parts])


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
