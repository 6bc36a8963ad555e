"""Forecasts of one model on one block of origins: computed here or in another process, and kept in a file."""

import io
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conf.runtime.status_files import write_bytes
from ml.data.panel import Floats, Panel
from ml.models.forecaster import Forecaster
from ml.models.parallel import WorkerDied, end_with_parent

Factory = Callable[[], Forecaster]
KEPT_DAYS = 30  # a file that no backtest has used for so long is removed


@dataclass(frozen=True)
class Task:
    """One model on one block of origins. `key` depends on everything that the forecasts depend on."""

    model: str
    factory: Factory
    block: tuple[int, ...]
    horizons: tuple[int, ...]
    key: str

    def path(self, state: Path) -> Path:
        """The file of its forecasts in the folder `state`."""
        return state / f"{self.model}-{self.key}.npz"


def forecast_block(
    panel: Panel, factory: Factory, block: tuple[int, ...], horizons: tuple[int, ...]
) -> Floats:
    """(origins, series, horizons) rupiah of a model fitted at the first origin that predicts from each.

    Raises ValueError when the model returns another shape.
    """
    model = factory()
    panel = read_by(model, panel)
    model.fit(panel.until(block[0]))
    shape = (len(panel.commodities), len(horizons))
    forecasts = []
    for origin in block:
        forecast = np.asarray(model.predict(panel.until(origin), horizons), dtype=np.float64)
        if forecast.shape != shape:
            raise ValueError(f"{model.name} returned {forecast.shape} for {shape} series × horizons")
        forecasts.append(forecast)
    return np.array(forecasts)


def read_by(model: Forecaster, panel: Panel) -> Panel:
    """The panel without exogenous series that the model does not name in an attribute `exogenous`."""
    return panel.only_exogenous(getattr(model, "exogenous", ()))


def compute_blocks(
    panel: Panel, tasks: Sequence[Task], state: Path, workers: int, report_death: Callable[[], None]
) -> Iterator[Task]:
    """Compute and store each task's forecasts.

    Yields the task when its file is written, in the order of completion. When a worker process dies, a new
    pool of half as many goes on: mostly memory was short. Raises WorkerDied when one dies again before
    another block is finished.
    """
    if workers == 1 or len(tasks) < 2:
        for task in tasks:
            _compute(panel, task, state)
            yield task
        return
    missing = {task.path(state): task for task in tasks}
    died = False
    while missing:
        try:
            for task in _computed_in_pool(panel, list(missing.values()), state, workers):
                del missing[task.path(state)]
                died = False
                yield task
        except BrokenProcessPool:
            report_death()
            if died:
                raise WorkerDied from None
            died = True
            workers = max(1, workers // 2)


def _computed_in_pool(panel: Panel, tasks: Sequence[Task], state: Path, workers: int) -> Iterator[Task]:
    # spawn: a fork of a process that has run jax, xgboost or Arrow threads may hang
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(panel, threads))
    try:
        for future in as_completed([pool.submit(_compute_in_worker, task, state) for task in tasks]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def load_block(task: Task, state: Path) -> Floats:
    """(origins, series, horizons) rupiah, as stored."""
    with np.load(task.path(state)) as file:
        return np.asarray(file["forecast"])


def remove_unused(state: Path, used: set[Path]) -> None:
    """Remove files, other than `used`, that no backtest has used in KEPT_DAYS."""
    for file in used:
        os.utime(file)
    for file in [*state.glob("*.npz"), *state.glob("*.tmp")]:
        if file not in used and file.stat().st_mtime < time.time() - KEPT_DAYS * 86_400:
            file.unlink(missing_ok=True)


_panel: Panel | None = None  # of a worker process; sent once instead of with each task


def _start_worker(panel: Panel, threads: int) -> None:
    global _panel
    end_with_parent()
    _panel = panel
    os.environ["OMP_NUM_THREADS"] = str(threads)


def _compute_in_worker(task: Task, state: Path) -> Task:
    assert _panel is not None, "a worker starts with a panel"
    _compute(_panel, task, state)
    return task


def _compute(panel: Panel, task: Task, state: Path) -> None:
    """Compute the forecasts of a task and write its file."""
    began = time.perf_counter()
    forecast = forecast_block(panel, task.factory, task.block, task.horizons)
    content = io.BytesIO()
    np.savez_compressed(content, forecast=forecast, seconds=time.perf_counter() - began)
    write_bytes(task.path(state), content.getvalue())
