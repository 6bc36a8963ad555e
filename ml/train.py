"""The job that trains: one round of prices, sales or both, or rounds for ever; one at a time on a home."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from conf import training_jobs
from conf.settings import settings
from ml.lock import Held, hold

log = logging.getLogger("lumbung.training")
FAILED, MISSING, REFUSED = 1, 3, 5
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
    return parser.parse_args(arguments)


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
        from ml.coordinator import main as stay

        return stay()
    signal.signal(signal.SIGTERM, _stop)
    try:
        held = hold("training", "another training round runs")
    except Held as refusal:
        print(f"{refusal}; nothing to do" if asked.if_changed else str(refusal), file=sys.stderr)
        return 0 if asked.if_changed else REFUSED
    with held:
        return _run(asked)


def _stop(signum: int, frame: FrameType | None) -> None:
    """A round that is told to stop ends like one that fails: its run says so, what it has computed is kept."""
    raise SystemExit(128 + signum)


def _run(asked: argparse.Namespace) -> int:
    """All rounds that were asked for; a failure is told to the order, leaves champions as they are, and ends as 1."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes, not threads
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        return _rounds(asked)
    except FileNotFoundError as nothing:
        print(f"nothing to learn from yet: {nothing}", file=sys.stderr)
        _tell(asked.job, f"nothing to learn from yet: {nothing}")
        return 0 if asked.if_changed else MISSING
    except Exception as failure:  # noqa: BLE001  (told to whoever asked; champions stand)
        log.exception("the round failed; champions stay as they are")
        _tell(asked.job, f"{type(failure).__name__}: {failure}")
        return FAILED


def _rounds(asked: argparse.Namespace) -> int:
    if asked.kind == "sales" or (asked.kind is None and not asked.issue):
        _sales(asked)
    if asked.kind in (None, "price"):
        from ml import price_round

        price_round.run(price_round.Request.of(asked))
        _what_follows(asked.issue)
    return 0


def _sales(asked: argparse.Namespace) -> None:
    from ml import sales_round

    try:
        sales_round.run(asked.quick, asked.if_changed, asked.job if asked.kind else None)
    except FileNotFoundError as nothing:
        if asked.kind:
            raise
        print(f"sales: {nothing}", file=sys.stderr)  # prices are learnt all the same


def _what_follows(issue_only: bool) -> None:
    """Tables that rest on prices and their forecasts and are written by this process alone. Weather waits for a whole round."""
    from ml import anomalies, weather_prices

    anomalies.refresh(settings().lake_root)
    if not issue_only:
        weather_prices.refresh(settings().lake_root)


def _tell(job: str | None, failure: str) -> None:
    if job:
        training_jobs.finish(job, "failed", False, None, failure[:1000])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
