"""One function over many series: here, over processes, or over a Spark cluster, with the same answers in the same order."""

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Work = Callable[[Any], Any]  # importable by name, of one argument; argument and answer survive pickling

SLOW_IMPORTS = ["statsforecast.models"]  # once for all workers of a pool


class Spread(Protocol):
    """How a function is applied to many items. An error of one item ends the whole."""

    def __call__(self, work: Work, items: Sequence[Any]) -> list[Any]: ...


def here(work: Work, items: Sequence[Any]) -> list[Any]:
    """One after another, in this process."""
    return [work(item) for item in items]


class Processes:
    """A pool of processes, kept between calls; not forked from this one: JAX and Spark's gateway do not survive that."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(SLOW_IMPORTS)
        self._pool = ProcessPoolExecutor(workers, mp_context=context)

    def __call__(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """Four chunks a worker, so that a slow one does not hold up the rest."""
        return list(self._pool.map(work, items, chunksize=max(1, len(items) // (4 * self.workers))))

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


class OverSpark:
    """The executors of a session that the caller owns. The package `ml` must be importable there (same image or archive)."""

    def __init__(self, session: "SparkSession", partitions: int | None = None) -> None:
        self.session = session
        self.partitions = partitions or session.sparkContext.defaultParallelism

    def __call__(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """Items go out and answers come back as pickled bytes in Arrow batches, each with its number."""
        if not items:
            return []
        rows = pa.table({"nth": range(len(items)), "packed": pa.array(map(pickle.dumps, items), pa.binary())})
        sent = self.session.createDataFrame(rows).repartition(min(self.partitions, len(items)))
        answers = sent.mapInArrow(lambda batches: _answered(work, batches), "nth long, packed binary").toArrow()
        return [pickle.loads(one) for one in answers.sort_by("nth")["packed"].to_pylist()]  # noqa: S301 our own executors wrote it


def _answered(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        answers = [pickle.dumps(work(pickle.loads(one))) for one in batch.column("packed").to_pylist()]  # noqa: S301 as above
        yield pa.RecordBatch.from_arrays([batch.column("nth"), pa.array(answers, pa.binary())], ["nth", "packed"])


_SPREAD: ContextVar[Spread] = ContextVar("spread", default=here)


@contextmanager
def spread_over(spread: Spread) -> Iterator[None]:
    """Within the block, what is fitted a series at a time is fitted over `spread`: no model holds a pool or a session."""
    token = _SPREAD.set(spread)
    try:
        yield
    finally:
        _SPREAD.reset(token)


def each(work: Work, items: Sequence[Any]) -> list[Any]:
    """The answers of `work` for all items, in their order, over whatever the caller has chosen."""
    return _SPREAD.get()(work, items)


@contextmanager
def spread_over_cluster(master: str) -> Iterator[None]:
    """Within the block, a Spark session of its own at `master` does the work; its executors run the image of this process."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = SparkSession.builder.master(master).appName("lumbung-models").config("spark.ui.enabled", "false").getOrCreate()
    try:
        with spread_over(OverSpark(session)):
            yield
    finally:
        session.stop()
