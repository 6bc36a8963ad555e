"""What benches share: stacks of their own, percentiles, CPU time and memory of processes, and a table."""

import copy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
import psutil
from rich.table import Table

from conf.settings import REPO
from scripts.stack.patience import process_tree
from scripts.stack.throwaway import Stack

ENGINES = ("spark", "embedded")
EVERY_SECONDS = 1.0  # between two samples of the processes


@contextmanager
def temporary_stack(**knobs: str) -> Iterator[Stack]:
    """A stack that does not run yet, whose home and the folder around it are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-", ignore_cleanup_errors=True) as folder:
        yield Stack(Path(folder, "home"), **knobs)


@contextmanager
def running(
    stack: Stack, module: str, output: IO[str] | int = sys.stderr
) -> Iterator[subprocess.Popen[bytes]]:
    """Set up the home of a stack, and run a module of the product against it while the block runs."""
    run_module(stack, "scripts.stack.secrets_file")
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(command, cwd=REPO, env=stack.env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def broker_only() -> Iterator[Stack]:
    """Yield a stack of which only the broker runs; its folder is deleted afterwards."""
    with temporary_stack() as stack, running(stack, "scripts.stack.broker", subprocess.DEVNULL):
        yield stack


def with_engine(stack: Stack, engine: str) -> Stack:
    """Another home on the broker of `stack`, whose stream has that engine."""
    other = copy.copy(stack)
    other.home = stack.home / engine
    other.env = stack.env | {"LUMBUNG_HOME": str(other.home), "LUMBUNG_STREAM__ENGINE": engine}
    run_module(other, "scripts.stack.secrets_file")
    return other


def run_module(stack: Stack, module: str, *arguments: str, timeout: float = 900) -> None:
    """Run a module of the product against the stack; its output goes to stderr.

    Raises CalledProcessError when the module fails, TimeoutExpired after `timeout` seconds.
    """
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=REPO, env=stack.env, stdout=sys.stderr, check=True, timeout=timeout)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the maximum; empty without values."""
    if not values:
        return {}
    reached = np.percentile(values, (50, 95, 99, 100), method="higher").round(3).tolist()
    return dict(zip(("p50", "p95", "p99", "max"), reached, strict=True))


def in_milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles of durations."""
    return percentiles([1000 * duration for duration in seconds])


def flat(figures: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested figures as (dotted name, text)."""
    rows = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", f"{value:,}" if isinstance(value, int | float) else str(value)))
    return rows


def table(name: str, means: str, figures: Mapping[str, object]) -> Table:
    """The figures as a table for the terminal; `means` is its caption."""
    view = Table(title=name, caption=means, title_justify="left", caption_justify="left")
    view.add_column("figure")
    view.add_column("value", justify="right")
    for row in flat(figures):
        view.add_row(*row)
    return view


def pss_mb(process: psutil.Process) -> float:
    """Memory with each shared page divided among its users, in MB; 0 for a process that has ended.

    Where the system does not count that (macOS): memory that no other process uses.
    """
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0.0
    return float(getattr(memory, "pss", memory.uss) / 1e6)


class Usage(threading.Thread):
    """CPU seconds used since the start of sampling, and the largest memory of all processes at one time.

    Of a process tree while the block runs; without the root itself if so requested.
    What a process uses between its last sample and its end is not seen: a second at most.
    """

    def __init__(self, root: int | None, without_root: bool = False) -> None:
        super().__init__(name="usage", daemon=True)
        self._root, self._without_root = root, without_root
        self._stopping = threading.Event()
        self._used: dict[psutil.Process, float] = {}
        self.pss_mb_max = 0.0
        self._sample()
        self._before = dict(self._used)

    @property
    def cpu_seconds(self) -> float:
        """Of all processes, those that have ended included."""
        return sum(self._used.values()) - sum(self._before.values())

    def run(self) -> None:
        """Sample until the block ends."""
        while not self._stopping.wait(EVERY_SECONDS):
            self._sample()

    def __enter__(self) -> "Usage":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Sample once more and end."""
        self._stopping.set()
        self.join()
        self._sample()

    def _sample(self) -> None:
        processes = process_tree(self._root)[self._without_root :]
        for process in processes:
            with suppress(psutil.Error):
                self._used[process] = sum(process.cpu_times()[:2])
        self.pss_mb_max = max(self.pss_mb_max, sum(map(pss_mb, processes)))
