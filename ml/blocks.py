"""One model on one block of origins: computed here or in a process of its own, and kept in a file."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.forecaster import Forecaster
from ml.panel import Floats, Panel

Factory = Callable[[], Forecaster]
KEPT_DAYS = 30  # an answer that nobody asked for so long is forgotten


def forecast_block(panel: Panel, factory: Factory, block: tuple[int, ...], horizons: tuple[int, ...]) -> Floats:
    """(origins, series, horizons) rupiah of one model: fitted at the first origin of the block, asked at each."""
    model = factory()
    model.fit(panel.until(block[0]))
    shape = (len(panel.commodities), len(horizons))
    answers = []
    for origin in block:
        answer = np.asarray(model.forecast(panel.until(origin), horizons), dtype=np.float64)
        if answer.shape != shape:
            raise ValueError(f"{model.name} answered {answer.shape} for {shape} series × horizons")
        answers.append(answer)
    return np.array(answers)


@dataclass(frozen=True)
class Task:
    """One model on one block. `key` names everything that its answer depends on."""

    model: str
    factory: Factory
    block: tuple[int, ...]
    horizons: tuple[int, ...]
    key: str

    def stored(self, state: Path) -> Path:
        return state / f"{self.model}-{self.key}.npz"


def answered(panel: Panel, tasks: Sequence[Task], state: Path, workers: int) -> Iterator[Task]:
    """Each task when its answer is stored, in the order in which they end."""
    if workers == 1 or len(tasks) < 2:
        for task in tasks:
            _store(panel, task, state)
            yield task
        return
    # spawn: a fork of a process that has run jax, xgboost or Arrow threads may hang
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(panel, max(1, (os.cpu_count() or 1) // workers)))
    try:
        for future in as_completed(pool.submit(_store_there, task, state) for task in tasks):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_panel: Panel | None = None  # of a worker process, handed over once instead of with each task


def _begin(panel: Panel, threads: int) -> None:
    global _panel
    _panel = panel
    os.environ["OMP_NUM_THREADS"] = str(threads)


def _store_there(task: Task, state: Path) -> Task:
    assert _panel is not None, "a worker begins with a panel"
    _store(_panel, task, state)
    return task


def _store(panel: Panel, task: Task, state: Path) -> None:
    began = time.perf_counter()
    forecast = forecast_block(panel, task.factory, task.block, task.horizons)
    file = task.stored(state)
    part = file.with_suffix(f".{os.getpid()}.part")  # renamed when whole: a file that exists is complete
    with part.open("wb") as out:
        np.savez_compressed(out, forecast=forecast, seconds=time.perf_counter() - began)
    part.replace(file)


def forget(state: Path, used: set[Path]) -> None:
    """Remove answers that nobody asked for in KEPT_DAYS, other than these."""
    for file in used:
        os.utime(file)
    for file in [*state.glob("*.npz"), *state.glob("*.part")]:
        if file not in used and file.stat().st_mtime < time.time() - KEPT_DAYS * 86_400:
            file.unlink(missing_ok=True)


def kept(task: Task, state: Path) -> Floats:
    """(origins, series, horizons) rupiah, as stored."""
    with np.load(task.stored(state)) as file:
        return np.asarray(file["forecast"])
