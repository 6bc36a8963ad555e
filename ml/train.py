"""The job that trains: one round of prices, sales or both, or rounds for ever; one at a time on a home."""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from types import FrameType
from typing import IO

from conf import training_jobs
from conf.process import Refused, hold
from conf.settings import settings
from ml import coordinator, rounds
from ml.panel import NothingToLearn

log = logging.getLogger("lumbung.training")
FAILED, MISSING, REFUSED = 1, 3, 5
ORDER_WAIT_SECONDS = 1.0  # between two looks at a lock that another round holds
NO_SIGNAL = "no signals yet: their model learns from bars of a market, and no signal is computed from them"
KINDS = ("price", "sales", "signal")


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run.sh train", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=KINDS, help="price and sales unless one is named")
    parser.add_argument("--quick", action="store_true", help="few models and origins: a minute, for tests and demonstrations")
    parser.add_argument("--if-changed", action="store_true", help="only when new prices, drift or other knobs ask for it")
    parser.add_argument("--continuous", action="store_true", help="stay, take orders, and train whenever it is due")
    parser.add_argument("--issue", action="store_true", help="forecast from the newest prices without training")
    parser.add_argument("--models", type=_listed, default=(), help="comma-separated; else knob training.models")
    parser.add_argument("--commodities", type=_listed, default=(), help="comma-separated; else all")
    parser.add_argument("--job", help=argparse.SUPPRESS)  # the order that this round answers
    asked = parser.parse_args(arguments)
    if asked.continuous and (asked.quick or asked.if_changed or asked.issue or asked.models or asked.commodities):
        parser.error("--continuous decides by itself what is due; only price or sales may be named with it")
    return asked


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done or nothing due, 1 failed, 2 wrong usage, 3 no data, 5 another one trains."""
    asked = parsed(arguments)
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if asked.kind == "signal":
        print(NO_SIGNAL, file=sys.stderr)
        _tell(asked.job, NO_SIGNAL)
        return MISSING
    if asked.continuous:
        return coordinator.main([asked.kind] if asked.kind else ["price", "sales"])
    if asked.if_changed and not asked.kind:
        coordinator.answer_orders()
    signal.signal(signal.SIGTERM, _stop)
    try:
        held = _alone(asked)
    except Refused as refusal:
        print(f"{refusal}; nothing to do" if asked.if_changed else str(refusal), file=sys.stderr)
        return 0 if asked.if_changed else REFUSED
    with held:
        order = training_jobs.job(asked.job) if asked.job else None
        return 0 if order and order.status != "running" else _run(asked)  # a round of a trainer that is gone has answered it


def _alone(asked: argparse.Namespace) -> IO[str]:
    """The lock of training. An order waits for it; who is not waited for is refused (Refused)."""
    while True:
        try:
            return hold("training", "another training round runs")
        except Refused:
            if not asked.job:
                raise
            time.sleep(ORDER_WAIT_SECONDS)


def _stop(signum: int, frame: FrameType | None) -> None:
    """A round that is told to stop ends like one that fails: its run says so, what it has computed is kept."""
    raise SystemExit(128 + signum)


def _run(asked: argparse.Namespace) -> int:
    """All rounds that were asked for; a failure is told to the order, leaves champions as they are, and ends as 1."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes, not threads
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        return _rounds(asked)
    except NothingToLearn as nothing:
        print(f"nothing to learn from yet: {nothing}", file=sys.stderr)
        _tell(asked.job, f"nothing to learn from yet: {nothing}")
        return 0 if asked.if_changed else MISSING


def _rounds(asked: argparse.Namespace) -> int:
    """Sales, then prices. One that fails keeps the other from nothing."""
    code = 0
    for kind, run in (("sales", _sales), ("price", _prices)):
        if asked.kind not in (None, kind) or (kind == "sales" and asked.issue):
            continue
        if asked.if_changed and rounds.resting(kind, datetime.now(UTC)):
            print(f"the last round of {kind} failed; it rests for {settings().training.retry_minutes:g} min", file=sys.stderr)
            continue
        try:
            run(asked)
        except NothingToLearn as nothing:
            if asked.kind or kind == "price":
                raise
            print(f"sales: {nothing}", file=sys.stderr)  # prices are learnt all the same
        except Exception as failure:  # noqa: BLE001  (told to whoever asked; champions stand)
            log.exception("the round of %s failed; champions stay as they are", kind)
            rounds.note(f"failure-{kind}")
            known = f": {failure}" if isinstance(failure, ValueError) else "; the trainer's log says why"
            _tell(asked.job, f"the round failed ({type(failure).__name__}){known}")
            code = FAILED
        else:
            rounds.recovered(kind)
    return code


def _sales(asked: argparse.Namespace) -> None:
    from ml import sales_round

    seen = rounds.listings()
    try:
        sales_round.run(asked.quick, asked.if_changed, asked.job if asked.kind else None)
    except NothingToLearn:
        rounds.note("listings", rows=seen)
        raise
    rounds.note("listings", rows=seen)


def _prices(asked: argparse.Namespace) -> None:
    from ml import price_round

    _what_follows(trained=price_round.run(price_round.Request.of(asked)))


def _what_follows(trained: bool) -> None:
    """Tables that rest on prices and their forecasts and are written by this process alone. Weather waits for a training."""
    from ml import anomalies, weather_prices

    anomalies.refresh(settings().lake_root)
    if trained:
        weather_prices.refresh(settings().lake_root)


def _tell(job: str | None, failure: str) -> None:
    if job:
        training_jobs.finish(job, "failed", False, None, failure[:1000])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
