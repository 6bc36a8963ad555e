"""Runs what people order for themselves, one job at a time beside the rounds of the trainer."""

import logging
import os
import signal
import subprocess
import sys
import threading

from conf.settings import REPO, child_environment, settings
from lakehouse.io import personal_jobs

log = logging.getLogger("lumbung.trainer")
LOOK_SECONDS = 1.0
LONGEST_SECONDS = 900.0  # of one job
STOP_SECONDS = 4.0  # then a child is killed


def start_child(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A module as a process of its own with its workers: a signal to the trainer is not one to them."""
    command = ["nice", "-n", str(settings().training.niceness), sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=REPO, env=child_environment(), start_new_session=True)


def stop_child(child: subprocess.Popen[bytes]) -> None:
    """End it with its workers. What a round has computed is kept, and the next one goes on from there."""
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


class PersonalJobRunner(threading.Thread):
    """Takes jobs until `stopping` is set. Only its child processes load models."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__(name="personal-jobs", daemon=True)
        self._stopping = stopping
        self._seen: int | None = None  # when the queue last changed, as of the last look

    def run(self) -> None:
        """Look every second whether the queue has changed; a look at an unchanged one is one `stat`."""
        personal_jobs.requeue()
        while not self._stopping.wait(LOOK_SECONDS):
            changed = personal_jobs.changed_at()
            if changed != self._seen and not self.run_next():
                self._seen = changed

    def run_next(self) -> bool:
        """Run the oldest queued job to its end; False when there is none."""
        job = personal_jobs.take()
        if job is None:
            return False
        log.info("%s %s", job.kind, job.job_id)
        child = start_child("ml.trading.own_job", job.job_id)
        waited = 0.0
        while child.poll() is None and waited < LONGEST_SECONDS and not self._stopping.wait(0.2):
            waited += 0.2
        if child.poll() is None:
            stop_child(child)
        if not self._stopping.is_set():  # else it is queued again by the next trainer
            minutes = f"{LONGEST_SECONDS / 60:g}"
            reason = (
                f"it took more than {minutes} min"
                if waited >= LONGEST_SECONDS
                else "it ended without a result"
            )
            personal_jobs.fail(job.job_id, reason)
        return True
