"""The trainer: takes training jobs, watches prices, and starts rounds as child processes, one at a time."""

import logging
import os
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deltalake.exceptions import DeltaError

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, hold, stopped_by_signals
from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.io import training_jobs
from lakehouse.io.checkpoint import count_waiting
from lakehouse.io.process_status import TRAINER, status_file
from lakehouse.io.table_files import damage_of_tables
from lakehouse.times import utc_text
from ml import schedule
from ml.personal_jobs import STOP_SECONDS, PersonalJobRunner, start_child, stop_child

log = logging.getLogger("lumbung.trainer")
BACKLOG_EVENTS = 5000  # of a history that is being loaded; the first training waits for its end
MOST_LOOKS = 90  # then it is no history, but a load that does not end
ALL_KINDS = ("price", "sales", "signal")


class Trainer:
    """Decides what to run and starts it. Only child processes load models, so it stays small."""

    def __init__(self, stopping: threading.Event, kinds: Sequence[str] = ALL_KINDS) -> None:
        self._stopping = stopping
        self._kinds = kinds
        self._previous_prices: schedule.PriceState | None = None
        self._looks_in_vain = 0
        self._resume_at = datetime.min.replace(tzinfo=UTC)
        self._status: dict[str, Any] = {
            "pid": os.getpid(),
            "state": "waiting",
            "rounds": 0,
            "round": None,
            "failure": None,
        }
        self.update_status()

    def update_status(self, **changes: Any) -> None:
        """Merge `changes` into the status file."""
        self._status.update(changes)
        write_status(status_file(TRAINER), self._status)

    def run_next(self) -> None:
        """Run the oldest queued job, else the round that is due, if any; returns when it has ended."""
        job = training_jobs.take()
        if job is not None:
            self.run_job(job)
        elif datetime.now(UTC) >= self._resume_at:
            try:
                self._run_due_round(datetime.now(UTC))
            except (DeltaError, OSError, ValueError) as error:
                damage = damage_of_tables()
                if not damage:
                    raise
                log.warning("nothing is trained: %s (%s)", damage, type(error).__name__)
                self.update_status(failure=damage)
                self._pause_after(damage)

    def _run_due_round(self, now: datetime) -> None:
        """Forecasts come first, then what takes longer; the whole round of prices is the longest.

        A history that is still growing is not trained on: its days must be the same in two looks.
        """
        prices = schedule.price_state(now) if "price" in self._kinds else None
        previous = self._previous_prices
        unchanged = prices is not None and previous is not None and previous.days == prices.days
        self._previous_prices = prices
        due = schedule.training_due(prices) if prices and unchanged else None
        is_first_sales = "sales" in self._kinds and schedule.is_first_sales()
        if prices and (reason := schedule.issue_due(prices, now)):
            self._pause_after(self._round(["price", "--issue"], reason))
        elif is_first_sales and (reason := schedule.sales_due()):  # seconds
            schedule.write_note(schedule.FIRST_SALES)
            self._round(["sales", "--quick"], reason)
        elif due and schedule.first_look_due():  # minutes before the first whole round has figures
            if self._history_arrives():
                return
            schedule.write_note(schedule.FIRST_LOOK)
            self._round(["price", "--quick"], "figures of a few models, before the first whole round")
        elif "signal" in self._kinds and (reason := schedule.signal_due(now)):  # seconds
            self._pause_after(self._round(["signal", "--if-changed"], reason))
        elif "sales" in self._kinds and not is_first_sales and (reason := schedule.sales_due()):
            self._pause_after(self._round(["sales", "--if-changed"], reason))
        elif due:
            self._pause_after(self._round(["price", "--if-changed"], due))

    def _history_arrives(self) -> bool:
        """Whether many events wait for the stream: within one long batch a history looks complete."""
        self._looks_in_vain += 1
        return self._looks_in_vain <= MOST_LOOKS and (count_waiting() or 0) > BACKLOG_EVENTS

    def _pause_after(self, failure: str | None) -> None:
        """After a failure no due round starts for training.retry_minutes. Jobs are run meanwhile."""
        if failure:
            self._resume_at = datetime.now(UTC) + timedelta(minutes=settings().training.retry_minutes)

    def run_job(self, job: training_jobs.Job) -> None:
        """Run all rounds of the job, and end it."""
        kinds, price_models = rounds_of(job.models)
        failures: list[str] = []
        for kind in kinds:
            arguments = [kind]
            if kind == kinds[-1] and not failures:
                arguments += ["--job", job.job_id]  # the last round ends the job
            if kind == "price" and price_models:
                arguments += ["--models", ",".join(price_models)]
            if kind == "price" and job.commodities:
                arguments += ["--commodities", ",".join(job.commodities)]
            failure = self._round(arguments, f"job {job.job_id}: {job.reason}")
            if self._stopping.is_set():
                return  # the job is still marked as running: the next trainer queues it again
            if failure:
                failures.append(f"{kind}: {failure}")
        detail = "; ".join(failures) or "the round ended without reporting an outcome"
        training_jobs.finish(job.job_id, "failed", False, None, detail)

    def _round(self, arguments: list[str], reason: str) -> str | None:
        """Run one round to its end; returns why it failed, None when it did not."""
        log.info("round %s: %s", " ".join(arguments), reason)
        started = utc_text(datetime.now(UTC))
        self.update_status(state="running", round={"arguments": arguments, "why": reason, "since": started})
        child = start_child("ml.train", *arguments)
        while child.poll() is None and not self._stopping.wait(0.2):
            pass
        if child.poll() is None:
            stop_child(child)
        # REFUSED: another round holds the lock, so this one is tried again later
        ended_well = child.returncode in (ExitCode.DONE, ExitCode.REFUSED) or self._stopping.is_set()
        failure = None if ended_well else f"the round ended with exit code {child.returncode}"
        if failure:
            log.warning(failure)
            if child.returncode < 0:  # killed: it could not note its failure itself
                schedule.note_failure(arguments[0])
        rounds = self._status["rounds"] + 1
        self.update_status(state="waiting", round=None, rounds=rounds, failure=failure)
        return failure


def rounds_of(models: Sequence[str]) -> tuple[list[str], list[str]]:
    """(kinds of rounds, models of the price round) of a job. The last round reports the job's outcome."""
    price_models = [name for name in models if name not in ("sales", "signal")]
    kinds = [kind for kind in ("signal", "sales") if kind in models or (kind == "sales" and not models)]
    if price_models or not models:
        kinds.append("price")
    return kinds, price_models


def run_queued_jobs() -> None:
    """Run the jobs that wait while no trainer runs, so that a round started by cron takes them too."""
    try:
        lock = hold("trainer", "a trainer runs")
    except Refused:
        return  # it takes them itself
    with lock:
        training_jobs.requeue()
        trainer = Trainer(threading.Event())
        try:
            while job := training_jobs.take():
                trainer.run_job(job)
        finally:
            trainer.update_status(state="stopped")


def run(stopping: threading.Event, kinds: Sequence[str]) -> None:
    """Look for work every training.watch_seconds until `stopping` is set.

    Raises Refused when another trainer runs on this home.
    """
    with hold("trainer", "another trainer runs; stop it with ./run.sh down"):
        trainer = Trainer(stopping, kinds)
        requeued = training_jobs.requeue()
        if requeued:
            log.info("jobs of a trainer that was stopped are queued again: %s", ", ".join(requeued))
        personal = PersonalJobRunner(stopping)
        personal.start()
        try:
            trainer.run_next()
            while not stopping.wait(settings().training.watch_seconds):
                trainer.run_next()
        finally:
            personal.join(STOP_SECONDS)
            training_jobs.requeue()
            trainer.update_status(state="stopped")


def main(kinds: Sequence[str] = ALL_KINDS) -> int:
    """Exit code 0 after a clean stop, 5 when another trainer runs."""
    configure_logging()
    stopping = stopped_by_signals(log)
    try:
        run(stopping, kinds)
    except Refused as refusal:
        print(f"the trainer does not start: {refusal}", file=sys.stderr)
        return ExitCode.REFUSED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
