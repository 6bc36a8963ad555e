"""How long to wait for what may be slow: as long as it makes progress."""

import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path

import psutil

from conf.settings import settings

LONGEST_SECONDS = 1200.0  # a process may also spin for ever


class TimedOut(RuntimeError):
    """Nothing moved for too long. It says nothing about right or wrong: the machine may be busy."""


class Patience:
    """Notes when the signs of progress last changed."""

    def __init__(
        self,
        stalled_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        self._stalled_seconds = stalled_seconds
        self._longest = longest
        self._clock = clock
        self._began = self._moved = clock()
        self._signs: Hashable = None

    def spent(self, signs: Hashable) -> bool:
        """Whether the signs have not changed for `stalled_seconds`, or the wait is longer than `longest`."""
        now = self._clock()
        if signs != self._signs:
            self._signs, self._moved = signs, now
        return now - self._moved > self._stalled_seconds or now - self._began > self._longest


def comes_true(condition: Callable[[], bool], within_seconds: float, pause_seconds: float = 0.1) -> bool:
    """Wait until the condition holds; False when it does not in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True


def process_tree(pid: int | None) -> list[psutil.Process]:
    """The process and its descendants; empty when it has ended."""
    with suppress(psutil.NoSuchProcess):
        if pid:
            process = psutil.Process(pid)
            return [process, *process.children(recursive=True)]
    return []


def executor_in(folder: Path) -> int | None:
    """Process id of a Spark executor whose worker has its files in the folder; None without one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has just ended
            is_executor = any("CoarseGrainedExecutorBackend" in argument for argument in process.cmdline())
            if is_executor and Path(process.cwd()).is_relative_to(folder):
                return process.pid
    return None


def cpu_seconds(pid: int | None) -> int:
    """Whole seconds of CPU time of a process and its descendants; a process that only polls uses few."""
    total = 0.0
    for process in process_tree(pid):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return int(total)


def stream_signs(waiting: int | None, pid: int | None) -> Hashable:
    """Waiting events, which do not change within a batch, and every ten seconds of CPU time of the stream.

    An idle stream uses these in minutes.
    """
    return waiting, cpu_seconds(pid) // 10


def service_signs(name: str, pid: int) -> Hashable:
    """Process id, CPU time and length of the log of a service of this home."""
    log = settings().log_dir / f"{name}.log"
    return (name, pid, cpu_seconds(pid), log.stat().st_size if log.exists() else 0)
