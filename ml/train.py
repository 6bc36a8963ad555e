"""Train models of prices, risk, sales, sentiment or closes: one round, or one whenever it is due."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, hold
from conf.settings import settings
from lakehouse.io import training_jobs
from lakehouse.io.small_databases import DamagedDatabaseError, refuse_damaged_databases
from lakehouse.io.table_files import damage_of_tables
from lakehouse.io.terminal import translate_parser, translated
from ml import schedule, trainer
from ml.data.panel import NothingToLearn
from ml.models.parallel import WorkerDied, end_on_sigterm

log = logging.getLogger("lumbung.training")
LOCK_RETRY_SECONDS = 1.0
KINDS = ("price", "risk", "sales", "sentiment", "signal")


def argument_parser() -> argparse.ArgumentParser:
    """The arguments of `train`."""
    parser = argparse.ArgumentParser(prog="./run.sh train", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=KINDS, help="signal, sales and price unless one is named")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few models and origins: a minute, for tests and demonstrations",
    )
    parser.add_argument(
        "--if-changed", action="store_true", help="only when new prices, drift or changed knobs require it"
    )
    parser.add_argument(
        "--continuous",
        action="store_true",
        help="keep running: take training jobs, and train when it is due",
    )
    parser.add_argument(
        "--issue", action="store_true", help="issue forecasts from the newest prices without training"
    )
    parser.add_argument(
        "--models", type=_listed, default=(), help="comma-separated; else knob training.models"
    )
    parser.add_argument("--commodities", type=_listed, default=(), help="comma-separated; else all")
    parser.add_argument(
        "--data",
        type=Path,
        help="learn from a file or folder of any format of conf/sources instead of the lake, and forecast "
        "it; for sentiment: a CSV or TSV file with a column of texts and one of labels",
    )
    parser.add_argument(
        "--test", type=Path, help="for sentiment: labelled texts to test on, instead of a fifth of --data"
    )
    parser.add_argument("--job", help=argparse.SUPPRESS)  # the training job that this round answers
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = translate_parser(argument_parser())
    options = parser.parse_args(arguments)
    choices = (options.quick, options.if_changed, options.issue, options.models, options.commodities)
    if options.continuous and any(choices):
        parser.error(
            translated("--continuous decides what is due; only price, sales or signal may be given with it")
        )
    if options.kind == "sentiment":
        if not options.data or options.continuous or any(choices):
            parser.error(translated("sentiment takes --data, a file of labelled texts, and may take --test"))
        return options
    if options.test:
        parser.error(translated("--test is for sentiment"))
    if options.kind == "risk":
        if options.continuous or any(choices):
            parser.error(translated("risk takes --data alone; it is trained with every whole price round"))
        return options
    if options.data and (options.continuous or options.if_changed or options.kind in ("sales", "signal")):
        parser.error(translated("--data is for one round of price, risk or sentiment models"))
    if options.data:
        options.kind = "price"
    return options


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done or not due, 1 failed, 2 wrong usage, 3 no data, 5 another runs or a damaged file."""
    options = parse(arguments)
    configure_logging()
    try:
        refuse_damaged_databases()
    except DamagedDatabaseError as error:
        print(translated(str(error)), file=sys.stderr)
        return ExitCode.REFUSED
    if options.continuous:
        return trainer.main([options.kind] if options.kind else trainer.ALL_KINDS)
    if options.if_changed and not options.kind:
        trainer.run_queued_jobs()
    end_on_sigterm()
    try:
        lock = _acquire_lock(wait=bool(options.job))
    except Refused as refusal:
        if options.if_changed:
            print(translated(f"{refusal}; nothing to do"), file=sys.stderr)
            return ExitCode.DONE
        text = f"{refusal}: wait for its end (./run.sh status shows it), then try again"
        print(translated(text), file=sys.stderr)
        return ExitCode.REFUSED
    with lock:
        job = training_jobs.job(options.job) if options.job else None
        if job and job.status != "running":  # a round that a stopped trainer had started has ended it
            return ExitCode.DONE
        return _run(options)


def _acquire_lock(wait: bool) -> IO[str]:
    """The lock of training. Raises Refused when another round holds it and this one does not `wait`."""
    is_noted = False
    while True:
        try:
            return hold("training", "another training round runs")
        except Refused as refusal:
            if not wait:
                raise
            if not is_noted:
                log.info("%s: waiting for its end", refusal)
                is_noted = True
            time.sleep(LOCK_RETRY_SECONDS)


def _run(options: argparse.Namespace) -> int:
    """Run the rounds. A failure is reported to the job, changes no champion, and gives exit code 1."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes, not threads
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        if options.kind == "sentiment":
            return _train_sentiment(options)
        return _train_risk(options) if options.kind == "risk" else _rounds(options)
    except NothingToLearn as nothing:
        print(translated(f"nothing to learn from yet: {nothing}"), file=sys.stderr)
        _fail_job(options.job, f"nothing to learn from yet: {nothing}")
        return ExitCode.DONE if options.if_changed else ExitCode.MISSING


def _rounds(options: argparse.Namespace) -> int:
    """Closes, sales, then prices, or the one that is named. When one fails, the others run all the same."""
    code = ExitCode.DONE
    for kind, run in (("signal", _train_signal), ("sales", _train_sales), ("price", _train_prices)):
        if kind != (options.kind or ("price" if options.issue else kind)):
            continue
        if options.if_changed and schedule.waits_after_failure(kind, datetime.now(UTC)):
            minutes = f"{settings().training.retry_minutes:g} min"
            text = f"the last {kind} round failed; the next one starts {minutes} after it"
            print(translated(text), file=sys.stderr)
            continue
        try:
            run(options)
        except NothingToLearn as nothing:
            if options.kind or kind == "price":
                raise
            print(translated(f"{kind}: {nothing}"), file=sys.stderr)
        except Exception as failure:  # noqa: BLE001  (reported to the training job; champions are unchanged)
            damage = damage_of_tables()
            if damage:
                log.error("the %s round failed; champions are unchanged: %s", kind, damage)
            else:
                log.exception("the %s round failed; champions are unchanged", kind)
            readable = damage or (str(failure) if isinstance(failure, ValueError | WorkerDied) else "")
            reason = f": {readable}" if readable else "; see the trainer's log"
            schedule.note_failure(kind)
            _fail_job(options.job, f"the round failed ({type(failure).__name__}){reason}")
            code = ExitCode.FAILED
        else:
            schedule.clear_failure(kind)
    return code


def _train_sentiment(options: argparse.Namespace) -> int:
    """One round on labelled texts. A model that does not beat the lexicon is a result, not a failure."""
    from ml.sentiment import training_round

    training_round.run(options.data, options.test)
    return ExitCode.DONE


def _train_risk(options: argparse.Namespace) -> int:
    """One round of the risk model. A model that fails the gate is a result, not a failure."""
    from ml.risk import training_round

    training_round.run(options.data)
    return ExitCode.DONE


def _train_signal(options: argparse.Namespace) -> None:
    """Forecast closes. Naive serves unless a model beats it, which is a result, not a failure."""
    if options.if_changed and not schedule.signal_due(datetime.now(UTC)):
        return
    from ml.trading import forecasts

    run_id, promoted, detail = forecasts.run_round(options.job)
    if options.job:
        status: training_jobs.Status = "succeeded" if promoted else "rejected"
        training_jobs.finish(options.job, status, promoted, run_id, detail[:1000])


def _train_sales(options: argparse.Namespace) -> None:
    from ml.sales import training_round

    listings = schedule.listing_count()
    try:
        training_round.run(options.quick, options.if_changed, options.job if options.kind else None)
    except NothingToLearn:
        schedule.write_note("listings", rows=listings)
        raise
    schedule.write_note("listings", rows=listings)


def _train_prices(options: argparse.Namespace) -> None:
    """Train or issue; then refresh the tables that depend on prices and forecasts."""
    from ml.anomalies import job as anomalies
    from ml.forecasts import issue, training_round
    from ml.impact import job as impact
    from ml.risk import issue as risks
    from ml.weather import job as weather

    trained = training_round.run(training_round.Request.of(options))
    if options.data:  # the other tables follow from the lake
        return
    anomalies.refresh(settings().lake_root)
    risks.issue(issue.known_panel(datetime.now(UTC)))
    if trained and not options.quick:
        _train_risk_with_prices()
    if trained:
        weather.refresh(settings().lake_root)
        impact.refresh(settings().lake_root)


def _train_risk_with_prices() -> None:
    """The risk round of a price round; on a short history there is none."""
    from ml.risk import training_round

    try:
        training_round.run()
    except NothingToLearn as nothing:
        print(translated(f"risk: {nothing}"), file=sys.stderr)


def _fail_job(job: str | None, reason: str) -> None:
    if job:
        training_jobs.finish(job, "failed", False, None, reason[:1000])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
