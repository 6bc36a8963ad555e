"""Gold that is refreshed in background: a process that runs one job after the other, in rounds."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import IO, Any, Literal

import pyarrow as pa

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, hold, stopped_by_signals
from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import table_exists
from lakehouse.io.log_stamps import LogStamps
from lakehouse.io.maintenance import Maintenance
from lakehouse.io.memory import release_memory
from lakehouse.io.process_status import BACKGROUND_GOLD, JobStatus, status_file
from lakehouse.io.table_files import FileComparison
from lakehouse.times import rfc3339
from streaming_jobs.flows import background_jobs, job_of, refreshed
from streaming_jobs.gold.contract_sql import sql_job
from streaming_jobs.gold.driver import GoldJob, RebuildWatch
from streaming_jobs.startup.heal import heal

log = logging.getLogger("lumbung.background_gold")
JobState = Literal["waiting", "running", "stopped"]
LOGGED_SECONDS = 1.0  # a job that takes longer is logged
# Pause between two turns of the jobs whose tables are to be fresher than a round. Without news a turn takes a
# look at the logs of their tables.
PROMPT_SECONDS = 0.2
REPORT_SECONDS = 1.0  # at least between two statuses that turns write
IDLE_SHARE = 4  # after a prompt job a pause of so many times as long: it takes a fifth of a core at most
NICENESS = 10  # the stream's batches go first on a machine with few cores


def make_job(name: str) -> GoldJob:
    """The class `JOB` of a module of streaming_jobs/gold, else the SQL of the contract of a table."""
    module = f"streaming_jobs.gold.{name}"
    job: GoldJob = import_module(module).JOB() if find_spec(module) else sql_job(f"gold.{name}")
    return job


def make_jobs() -> list[GoldJob]:
    """The jobs of `flows.background_jobs`."""
    return [make_job(name) for name in background_jobs()]


def lock() -> IO[str]:
    """Hold the lock of the one process that runs the jobs. Raises Refused with the holder's pid."""
    return hold("background_gold", "another process refreshes gold in background; stop it with ./run.sh down")


class BackgroundJobs:
    """Runs the jobs and writes their status."""

    def __init__(self, jobs: Sequence[GoldJob], stopping: threading.Event) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._prompt = [job.name for job in jobs if is_prompt(job)]
        self._watch = RebuildWatch()
        self._look_at = 0.0  # monotonic seconds of the next turn of the prompt jobs
        self._report_at = 0.0  # of the next status that a turn writes
        self._stopping = stopping
        self._maintenance: Maintenance | None = None
        self._comparison = FileComparison()
        self._file = status_file(BACKGROUND_GOLD)
        self._rounds = 0
        self._round_seconds: float | None = None
        self._job_status: dict[str, JobStatus] = {}
        self._state: JobState = "waiting"
        self.report(self._state)

    def report(self, state: JobState) -> None:
        """Write the status file."""
        self._state = state
        status: dict[str, Any] = {
            "pid": os.getpid(),
            "state": state,
            "rounds": self._rounds,
            "round_seconds": self._round_seconds,
            "jobs": self._job_status,
        }
        write_status(self._file, status)

    def wait_for_tables(self) -> bool:
        """Wait until the stream has created every table; False when stopped before."""
        while not all(table_exists(table) for table in contracts()):
            if self._stopping.wait(0.5):
                return False
        self.report("running")
        return True

    def round(self) -> None:
        """Run each job once, and the prompt ones between them; after a failure the others still run.

        Raises ExceptionGroup with the failures.
        """
        began = time.monotonic()
        failures: list[Exception] = []
        for name in self._jobs:
            if self._stopping.is_set():
                return
            try:
                self._run(name)
                self._look()
            except Exception as failure:  # noqa: BLE001  (raised below, after the others)
                failures.append(failure)
            self.report(self._state)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(self._jobs)} jobs failed", failures)
        self.maintain()
        release_memory()
        self._rounds += 1
        self._round_seconds = round(time.monotonic() - began, 3)
        self.report(self._state)

    def maintain(self) -> None:
        """Compact or vacuum the next tables, and compare the next data files, for which it is time."""
        if self._maintenance is None:
            self._maintenance = Maintenance(refreshed("background"))
        self._maintenance.take_turn()
        self._comparison.take_turn()

    def pause(self, seconds: float) -> None:
        """Wait, and run the prompt jobs meanwhile. Raises ExceptionGroup with the failure of one of them."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._stopping.wait(min(max(0.0, self._look_at - time.monotonic()), left)):
                return
            try:
                self._look()
            except Exception as failure:  # noqa: BLE001  (the process ends with it)
                raise ExceptionGroup("a prompt job failed", [failure]) from None

    def _look(self) -> None:
        """Run the prompt jobs if it is time."""
        began = time.monotonic()
        if began < self._look_at:
            return
        for name in self._prompt:
            self._run(name)
        now = time.monotonic()
        if now >= self._report_at:
            self._report_at = now + REPORT_SECONDS
            self.report(self._state)
        self._look_at = now + max(PROMPT_SECONDS, IDLE_SHARE * (now - began))

    def _run(self, name: str) -> None:
        began = time.monotonic()
        failure: str | None = None
        try:
            job = self._jobs[name] = self._watch.begun_again(self._jobs[name], make_job)
            job.refresh()
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            log.exception("%s failed", name)
            raise
        finally:
            seconds = round(time.monotonic() - began, 3)
            last = self._job_status.get(name)
            done_at = rfc3339(datetime.now(UTC)) if failure is None else last["done_at"] if last else None
            self._job_status[name] = {"seconds": seconds, "failure": failure, "done_at": done_at}
            if seconds > LOGGED_SECONDS:
                log.info("%s: %.2f s", name, seconds)


def is_prompt(job: GoldJob) -> bool:
    """Whether a table of the job is to be fresher than the pause between two rounds."""
    pause = settings().stream.background_gold_seconds
    return any(
        job_of(table) == job.name and contract.freshness_seconds < pause
        for table, contract in contracts().items()
        if contract.refreshed == "background"
    )


def run(jobs: Callable[[], Sequence[GoldJob]], once: bool, stopping: threading.Event) -> None:
    """Run rounds until `stopping` is set. Raises Refused when another process holds the lock.

    Raises ExceptionGroup when a job failed. `jobs` is called once the lock is held.
    """
    held = lock()
    heal(refreshed("background"))
    work = BackgroundJobs(jobs(), stopping)
    try:
        if not work.wait_for_tables():
            return
        stamps = LogStamps(
            contracts()
        )  # jobs follow the lake alone: without a commit they have nothing to do
        while True:
            taken = stamps.take()
            if taken is None:
                work.maintain()
                work.report("running")  # a status that grows old is that of a process which hangs
            else:
                work.round()
                stamps.keep(taken)
            if once:
                return
            work.pause(settings().stream.background_gold_seconds)
            if stopping.is_set():
                return
    finally:
        work.report("stopped")
        held.close()


def main(once: bool = False) -> int:
    """Exit code 0 after a clean stop (`once`: a round), 1 when a job failed, 5 when another process runs."""
    configure_logging()
    stopping = stopped_by_signals(log)
    os.nice(NICENESS)
    pa.set_cpu_count(1)  # one core at a time, and fewer buffers in memory
    try:
        run(make_jobs, once, stopping)
    except Refused as refusal:
        print(f"background gold does not start: {refusal}", file=sys.stderr)
        return ExitCode.REFUSED
    except ExceptionGroup as failure:
        causes = "; ".join(f"{type(error).__name__}: {error}" for error in failure.exceptions)
        print(f"background gold stops: {causes}", file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(once=sys.argv[1:] == ["--once"]))
