"""Progress of a round: a bar on a terminal, lines elsewhere, and a percentage for the training job."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lakehouse.io import training_jobs
from lakehouse.io.terminal import Terminal
from ml.evaluation.report import progress_bar

console = Terminal()
LINE_SECONDS = 15.0  # between two lines where there is no terminal
# Stage -> percentage of the job at its begin and at its end.
STAGES = {
    "backtest": (2, 75),
    "checks": (75, 82),
    "fit": (82, 95),
    "issue": (95, 99),
}

ReportStep = Callable[[int, int, str], None]  # steps done, steps in all, name of the newest step


def end_job(job: str | None, promoted: bool, run_id: str | None, detail: str) -> None:
    """Finish the training job that a round answers, if any: as rejected where no model passed the gate."""
    if job:
        status: training_jobs.Status = "succeeded" if promoted else "rejected"
        training_jobs.finish(job, status, promoted, run_id, detail[:1000])


class TrainingProgress:
    """Reports to people and, when the round answers a training job, to the job."""

    def __init__(self, job: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self._clock = clock

    def print(self, line: str) -> None:
        """A line on stderr."""
        console.print(line, markup=False, soft_wrap=True)

    def percent(self, done: float) -> None:
        """Set the job's percentage; nothing without a job."""
        if self._job:
            training_jobs.progress(self._job, done)

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[ReportStep]:
        """Yields the function to call after every step of the stage."""
        low, high = STAGES[name]
        began = self._clock()
        last_line = began

        def report(done: int, total: int, step: str) -> None:
            nonlocal last_line
            self.percent(low + (high - low) * (done / total if total else 1.0))
            now = self._clock()
            if not console.is_terminal and now - last_line > LINE_SECONDS and done:
                last_line = now
                seconds_left = (now - began) / done * (total - done)
                self.print(f"{title}: {done} of {total} ({step}), about {seconds_left:.0f} s left")

        if not console.is_terminal:
            # Without it the last line of the stage before would stand for this one as well.
            self.print(f"{title} …")
            yield report
            return
        with progress_bar(console, title) as draw:

            def draw_and_report(done: int, total: int, step: str) -> None:
                draw(done, total, step)
                report(done, total, step)

            yield draw_and_report
