"""Silver -> gold that takes its time: a process beside the stream, one job after the other, every heavy_trigger_seconds."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import IO, Any, Protocol

import pyarrow as pa
from deltalake import DeltaTable

from conf.process import Refused, hold, stopped_by_signals
from conf.settings import settings
from lakehouse.contract import contracts
from streaming_jobs.delta_sink import path_of
from streaming_jobs.flows import HEAVY
from streaming_jobs.maintenance import Maintenance
from streaming_jobs.progress import tell

log = logging.getLogger("lumbung.heavy")
REFUSED = 5
WORTH_A_LINE_SECONDS = 1.0
NICENESS = 10  # the hot batch goes first on a machine with few cores


class Job(Protocol):
    """Brings the gold tables that it alone writes up to what their sources hold.

    It may be killed at any point: what it writes and how far it has come go into one commit. A source that was emptied
    (`./run.sh rebuild silver` empties its tables too) makes it begin anew.
    """

    name: str

    def refresh(self) -> None: ...


def lazily(module: str, name: str) -> Callable[[], Job]:
    """A factory that imports the job's module only when the process that runs it has started."""
    return lambda: getattr(import_module(f"streaming_jobs.{module}"), name)()


JOBS: tuple[Callable[[], Job], ...] = (
    lazily("indicators_job", "Indicators"),
    lazily("ledger_job", "LedgerJob"),
    lazily("series_stats_job", "SeriesStats"),
    lazily("day_close_job", "DayClose"),
    lazily("silent_series_job", "SilentSeries"),
    lazily("schema_drift_job", "SchemaDrift"),
    lazily("quality_hourly_job", "QualityHourly"),
)


def lock() -> IO[str]:
    """Hold the lock of the one process that runs the jobs. Raises Refused with the holder's pid."""
    return hold("heavy", "another process writes the heavier gold; stop it with ./run.sh down")


class HeavyGold:
    """The jobs, and what state/heavy.json tells of them."""

    def __init__(self, jobs: Sequence[Job], stopping: threading.Event) -> None:
        self._jobs, self._stopping = jobs, stopping
        self._maintenance: Maintenance | None = None
        self._file = settings().state_dir / "heavy.json"
        self.state: dict[str, Any] = {"pid": os.getpid(), "state": "waiting", "rounds": 0, "round_seconds": None, "jobs": {}}
        self.note()

    def note(self, **changes: Any) -> None:
        """Merge `changes` into the state and write it."""
        self.state.update(changes)
        tell(self._file, self.state)

    def wait_for_tables(self) -> bool:
        """Until the stream has made every table; False when told to stop before."""
        while not all(DeltaTable.is_deltatable(path_of(table)) for table in contracts()):
            if self._stopping.wait(0.5):
                return False
        self.note(state="running")
        return True

    def round(self) -> None:
        """Each job once; one that fails does not take the others' turn. Raises ExceptionGroup with what failed."""
        began, failures = time.monotonic(), []
        for job in self._jobs:
            if self._stopping.is_set():
                return
            try:
                self._run(job)
            except Exception as failure:  # noqa: BLE001  (raised below, after the others)
                failures.append(failure)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(self._jobs)} jobs failed", failures)
        if self._maintenance is None:
            self._maintenance = Maintenance(HEAVY.gold)
        self._maintenance.take_turn()
        self.note(rounds=self.state["rounds"] + 1, round_seconds=round(time.monotonic() - began, 3))

    def _run(self, job: Job) -> None:
        began, failure = time.monotonic(), None
        try:
            job.refresh()
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            log.exception("%s failed", job.name)
            raise
        finally:
            seconds = round(time.monotonic() - began, 3)
            done = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            told = {"seconds": seconds, "failure": failure}
            last = self.state["jobs"].get(job.name, {}).get("done_at")
            self.state["jobs"][job.name] = {**told, "done_at": last if failure else done}
            self.note()
            if seconds > WORTH_A_LINE_SECONDS:
                log.info("%s: %.2f s", job.name, seconds)


def run(jobs: Sequence[Callable[[], Job]], once: bool, stopping: threading.Event) -> None:
    """Rounds until told to stop. Raises Refused when another process holds the lock, ExceptionGroup when a job failed."""
    held = lock()
    work = HeavyGold([make() for make in jobs], stopping)
    try:
        if not work.wait_for_tables():
            return
        work.round()
        while not once and not stopping.wait(settings().stream.heavy_trigger_seconds):
            work.round()
    finally:
        work.note(state="stopped")
        held.close()


def main(once: bool = False) -> int:
    """Exit code 0 after a clean stop or, with `once`, one round; 1 when a job failed; 5 when another one runs."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopping = stopped_by_signals(log)
    os.nice(NICENESS)
    pa.set_cpu_count(1)  # one core at a time, and fewer buffers under way
    try:
        run(JOBS, once, stopping)
    except Refused as refusal:
        print(f"heavier gold does not start: {refusal}", file=sys.stderr)
        return REFUSED
    except ExceptionGroup as failure:
        print(f"heavier gold stops: {'; '.join(f'{type(e).__name__}: {e}' for e in failure.exceptions)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(once=sys.argv[1:] == ["--once"]))
