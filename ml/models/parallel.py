"""One function over many series.

In this process, over processes or over a Spark cluster, with the same results.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, Self

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import SparkSession  # takes seconds to import, and most runs need none

Work = Callable[[Any], Any]  # importable by name, of one argument; argument and result survive pickling

PRELOADED_MODULES = ["statsforecast.models"]  # imported once for all workers of a pool


class WorkerDied(RuntimeError):
    """A worker process died twice in a row."""

    def __init__(self) -> None:
        super().__init__(
            "a worker process died twice, mostly because memory is short: lower the knob training.processes; "
            "finished blocks are kept, and the next round goes on from there"
        )


def end_with_parent() -> None:
    """End this worker process when its parent is gone: one that waits for tasks would not see it."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def end_on_sigterm() -> None:
    """From now on SIGTERM ends the workers at once and this process as an error would.

    So its run is marked as failed, and what was computed is kept.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        for worker in multiprocessing.active_children():
            worker.kill()
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, end)


class Backend(Protocol):
    """Applies a function to many items, in their order. An error of one item ends the whole."""

    def __call__(self, work: Work, items: Sequence[Any]) -> list[Any]: ...


def run_serially(work: Work, items: Sequence[Any]) -> list[Any]:
    """One after another, in this process."""
    return [work(item) for item in items]


class ProcessBackend:
    """A pool of processes, kept between calls.

    They are not forked from this one: JAX and Spark do not survive that.
    """

    def __init__(self, workers: int, report_death: Callable[[], None] = lambda: None) -> None:
        self.workers = workers
        self._report_death = report_death
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED_MODULES)
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=end_with_parent)

    def __call__(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """When a worker dies, the items are computed once more in a new pool; then WorkerDied."""
        try:
            return self._map(work, items)
        except BrokenProcessPool:
            self._report_death()
            self._pool = self._new_pool()
        try:
            return self._map(work, items)
        except BrokenProcessPool:
            raise WorkerDied from None

    def _map(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """Four chunks a worker, so that a slow chunk does not hold up the rest."""
        return list(self._pool.map(work, items, chunksize=max(1, len(items) // (4 * self.workers))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


class SparkBackend:
    """The executors of a session that the caller owns.

    The package `ml` must be importable there (same image or archive).
    """

    def __init__(self, session: "SparkSession", partitions: int | None = None) -> None:
        self.session = session
        self.partitions = partitions or session.sparkContext.defaultParallelism

    def __call__(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """Items and results travel as pickled bytes in Arrow batches, each with its number."""
        if not items:
            return []
        rows = pa.table({"nth": range(len(items)), "packed": pa.array(map(pickle.dumps, items), pa.binary())})
        sent = self.session.createDataFrame(rows).repartition(min(self.partitions, len(items)))
        results = sent.mapInArrow(lambda batches: _worked(work, batches), "nth long, packed binary").toArrow()
        packed = results.sort_by("nth")["packed"].to_pylist()
        return [pickle.loads(result) for result in packed]  # noqa: S301 our own executors wrote it


def _worked(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of (nth, packed item) -> batches of (nth, packed result)."""
    for batch in batches:
        items = batch.column("packed").to_pylist()
        results = [pickle.dumps(work(pickle.loads(item))) for item in items]  # noqa: S301 as above
        yield pa.RecordBatch.from_arrays(
            [batch.column("nth"), pa.array(results, pa.binary())], ["nth", "packed"]
        )


_BACKEND: ContextVar[Backend] = ContextVar("backend", default=run_serially)


@contextmanager
def parallel_backend(backend: Backend) -> Iterator[None]:
    """Within the block, `parallel_map` uses `backend`. So no model holds a pool or a session."""
    token = _BACKEND.set(backend)
    try:
        yield
    finally:
        _BACKEND.reset(token)


def parallel_map(work: Work, items: Sequence[Any]) -> list[Any]:
    """`work` of every item, in their order, by the backend of the surrounding `parallel_backend` block."""
    return _BACKEND.get()(work, items)


@contextmanager
def cluster_backend(master: str) -> Iterator[None]:
    """Within the block, `parallel_map` uses a new Spark session at `master`.

    Executors run this process' image.
    """
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master(master)
        .appName("lumbung-models")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    try:
        with parallel_backend(SparkBackend(session)):
            yield
    finally:
        session.stop()
