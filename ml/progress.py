"""How far a round is: a bar with the time left on a terminal, a line now and then elsewhere, and a percentage for the order."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from conf import training_jobs
from ml.report import shown

console = Console(stderr=True, highlight=False)
SAY_SECONDS = 15.0
STAGES = {"backtest": (2, 75), "checks": (75, 82), "fit": (82, 95), "issue": (95, 99)}  # of the order's percentage

Told = Callable[[int, int, str], None]  # done, total, what was just done


class Progress:
    """Tells people and, when the round answers an order, the order."""

    def __init__(self, job: str | None = None) -> None:
        self._job = job

    def say(self, words: str) -> None:
        """A line for people."""
        console.print(words, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[Told]:
        """Yields what to call with (done, total, what)."""
        low, high = STAGES[name]
        began, said = time.monotonic(), [time.monotonic()]

        def pass_on(done: int, total: int, what: str) -> None:
            share = done / total if total else 1.0
            if self._job:
                training_jobs.progress(self._job, low + (high - low) * share)
            now = time.monotonic()
            if not console.is_terminal and now - said[0] > SAY_SECONDS and done:
                said[0] = now
                left = (now - began) / done * (total - done)
                self.say(f"{title}: {done} of {total} ({what}), about {left:.0f} s left")

        if not console.is_terminal:
            yield pass_on
            return
        with shown(console, title) as drawn:

            def both(done: int, total: int, what: str) -> None:
                drawn(done, total, what)
                pass_on(done, total, what)

            yield both
