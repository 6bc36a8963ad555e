"""The trainer beside the stream: takes orders, watches prices, starts rounds as processes of their own, one at a time."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from conf import training_jobs
from conf.process import Refused, hold, stopped_by_signals
from conf.settings import REPO, child_environment, settings
from ml import rounds

log = logging.getLogger("lumbung.trainer")
REFUSED = 5
STOP_SECONDS = 4.0  # a round that does not end by then is killed: what it had computed is kept, it goes on next time


class Trainer:
    """Decides and starts; learns nothing itself, so that it stays small."""

    def __init__(self, stopping: threading.Event, kinds: Sequence[str] = ("price", "sales")) -> None:
        self._stopping, self._kinds = stopping, kinds
        self._file = settings().state_dir / "trainer.json"
        self._settled: rounds.Prices | None = None
        self._rest_until = datetime.min.replace(tzinfo=UTC)
        self.state: dict[str, Any] = {"pid": os.getpid(), "state": "waiting", "rounds": 0, "round": None, "failure": None}
        self.note()

    def note(self, **changes: Any) -> None:
        """Merge `changes` into state/trainer.json."""
        self.state.update(changes, updated_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"))
        fresh = self._file.with_suffix(".tmp")
        fresh.write_text(json.dumps(self.state))
        fresh.replace(self._file)

    def look(self) -> None:
        """One look: the order that waits, else what the prices ask for. Returns when its round has ended."""
        order = training_jobs.take()
        if order is not None:
            self.answer(order)
        elif datetime.now(UTC) >= self._rest_until:
            self._watch(datetime.now(UTC))

    def _watch(self, now: datetime) -> None:
        """Forecasts first, then what takes longer."""
        stands = rounds.prices(now) if "price" in self._kinds else None
        settled = stands is not None and self._settled is not None and self._settled.days == stands.days
        self._settled = stands  # a history that is being replayed is still growing: nothing is trained on half of it
        if stands and (why := rounds.issue_due(stands, now)):
            self._rest_after(self._round(["price", "--issue"], why))
        elif stands and settled and (why := rounds.training_due(stands)):
            self._rest_after(self._round(["price", "--if-changed"], why))
        elif "sales" in self._kinds and (why := rounds.sales_due()):
            self._rest_after(self._round(["sales", "--if-changed"], why))

    def _rest_after(self, failure: str | None) -> None:
        """What failed would fail again at once; orders are taken meanwhile."""
        if failure:
            self._rest_until = datetime.now(UTC) + timedelta(minutes=settings().training.retry_minutes)

    def answer(self, order: training_jobs.Job) -> None:
        """Run all that the order asks for, and end it."""
        kinds, models = parts_of(order.models)
        failures: list[str] = []
        for kind in kinds:
            arguments = [kind, *(["--job", order.job_id] if kind == kinds[-1] and not failures else [])]  # the last one ends it
            if kind == "price":
                arguments += ["--models", ",".join(models)] * bool(models)
                arguments += ["--commodities", ",".join(order.commodities)] * bool(order.commodities)
            failure = self._round(arguments, f"order {order.job_id}: {order.reason}")
            if self._stopping.is_set():
                return  # still running in the store: it is queued again
            failures += [f"{kind}: {failure}"] if failure else []
        training_jobs.finish(order.job_id, "failed", False, None, "; ".join(failures) or "the round ended without a word")

    def _round(self, arguments: list[str], why: str) -> str | None:
        """Run one round to its end; returns why it failed."""
        log.info("round %s: %s", " ".join(arguments), why)
        self.note(state="running", round={"arguments": arguments, "why": why, "since": datetime.now(UTC).isoformat()})
        child = subprocess.Popen(
            ["nice", "-n", str(settings().training.niceness), sys.executable, "-m", "ml.train", *arguments],
            cwd=REPO,
            env=child_environment(),
            start_new_session=True,  # with its workers it is one group, and ends as one
        )
        while child.poll() is None and not self._stopping.wait(0.2):
            pass
        if child.poll() is None:
            _end(child)
        failed = child.returncode not in (0, REFUSED) and not self._stopping.is_set()  # refused: another round runs, so not yet
        failure = f"the round ended with exit code {child.returncode}" if failed else None
        if failure:
            log.warning(failure)
        self.note(state="waiting", round=None, rounds=self.state["rounds"] + 1, failure=failure)
        return failure


def _end(child: subprocess.Popen[bytes]) -> None:
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def parts_of(models: Sequence[str]) -> tuple[list[str], list[str]]:
    """(kinds of rounds, models of the round of prices) of an order. The last kind speaks for the order."""
    others = [kind for kind in ("signal", "sales") if kind in models or (kind == "sales" and not models)]
    of_price = [name for name in models if name not in ("sales", "signal")]
    return [*others, *(["price"] if of_price or not models else [])], of_price


def answer_orders() -> None:
    """Orders that wait while no trainer runs: cron's round takes them."""
    try:
        held = hold("trainer", "a trainer runs")
    except Refused:
        return  # it takes them itself
    with held:
        training_jobs.requeue()
        trainer = Trainer(threading.Event())
        try:
            while order := training_jobs.take():
                trainer.answer(order)
        finally:
            trainer.note(state="stopped")


def run(stopping: threading.Event, kinds: Sequence[str]) -> None:
    """Look every training.watch_seconds until told to stop. Raises Refused when another trainer runs on this home."""
    with hold("trainer", "another trainer runs; stop it with ./run.sh down"):
        trainer = Trainer(stopping, kinds)
        left = training_jobs.requeue()
        if left:
            log.info("orders of a trainer that is gone are queued again: %s", ", ".join(left))
        try:
            trainer.look()
            while not stopping.wait(settings().training.watch_seconds):
                trainer.look()
        finally:
            training_jobs.requeue()
            trainer.note(state="stopped")


def main(kinds: Sequence[str] = ("price", "sales")) -> int:
    """Exit code 0 after a clean stop, 5 when another trainer runs."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopping = stopped_by_signals(log)
    try:
        run(stopping, kinds)
    except Refused as refusal:
        print(f"the trainer does not start: {refusal}", file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
