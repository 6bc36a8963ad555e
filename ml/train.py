"""Train models of prices, risk, sales, sentiment or closes: one round, or one whenever it is due."""

import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Annotated, Literal

import typer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, hold
from conf.settings import settings
from lakehouse.io import training_jobs
from lakehouse.io.small_databases import DamagedDatabaseError, refuse_damaged_databases
from lakehouse.io.table_files import damage_of_tables
from lakehouse.io.terminal import translated
from ml import schedule, trainer
from ml.data.panel import NothingToLearn
from ml.models.parallel import WorkerDied, end_on_sigterm
from ml.progress import end_job

log = logging.getLogger("lumbung.training")
LOCK_RETRY_SECONDS = 1.0
Kind = Literal["price", "risk", "sales", "sentiment", "signal"]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    kind: Annotated[Kind | None, typer.Argument(help="signal, sales and price unless one is named")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="few models and origins: a minute, for tests and demonstrations")
    ] = False,
    if_changed: Annotated[
        bool,
        typer.Option("--if-changed", help="only when new prices, drift or changed knobs require it"),
    ] = False,
    continuous: Annotated[
        bool,
        typer.Option("--continuous", help="keep running: take training jobs, and train when it is due"),
    ] = False,
    issue: Annotated[
        bool, typer.Option("--issue", help="issue forecasts from the newest prices without training")
    ] = False,
    models: Annotated[str | None, typer.Option(help="comma-separated; else knob training.models")] = None,
    commodities: Annotated[str | None, typer.Option(help="comma-separated; else all")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="learn from a file or folder of any format of conf/sources instead of the lake, and "
            "forecast it; for sentiment: a CSV or TSV file with a column of texts and one of labels"
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="for sentiment: labelled texts to test on, instead of a fifth of --data"),
    ] = None,
    job: Annotated[str | None, typer.Option(hidden=True)] = None,  # that this round answers
) -> None:
    options = SimpleNamespace(**locals())
    options.models, options.commodities = _names(models), _names(commodities)
    if fault := fault_of(options):
        print(translated(fault), file=sys.stderr)
        raise typer.Exit(ExitCode.USAGE)
    if data and not kind:
        options.kind = "price"
    raise typer.Exit(train(options))


def fault_of(options: SimpleNamespace) -> str:
    """Why the options do not go together; empty when they do."""
    choices = (options.quick, options.if_changed, options.issue, options.models, options.commodities)
    if options.continuous and any(choices):
        return "--continuous decides what is due; only price, sales or signal may be given with it"
    if options.kind == "sentiment":
        is_wrong = not options.data or options.continuous or any(choices)
        return "sentiment takes --data, a file of labelled texts, and may take --test" if is_wrong else ""
    if options.test:
        return "--test is for sentiment"
    if options.kind == "risk":
        is_wrong = options.continuous or any(choices)
        return "risk takes --data alone; it is trained with every whole price round" if is_wrong else ""
    if options.kind in ("sales", "signal") and (options.issue or options.models or options.commodities):
        return "--issue, --models and --commodities are for price"
    if options.data and (options.continuous or options.if_changed or options.kind in ("sales", "signal")):
        return "--data is for one round of price, risk or sentiment models"
    return ""


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def train(options: SimpleNamespace) -> int:
    """Exit code: 0 done or not due, 1 failed, 3 no data, 5 another runs or a damaged file."""
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


def _run(options: SimpleNamespace) -> int:
    """Run the rounds. A failure is reported to the job, changes no champion, and gives exit code 1."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes, not threads
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        # A model of sentiment or risk that does not pass is a result, not a failure.
        if options.kind == "sentiment":
            from ml.sentiment import training_round as sentiment_round

            sentiment_round.run(options.data, options.test)
        elif options.kind == "risk":
            from ml.risk import training_round as risk_round

            risk_round.run(options.data)
        else:
            return _rounds(options)
        return ExitCode.DONE
    except NothingToLearn as nothing:
        print(translated(f"nothing to learn from yet: {nothing}"), file=sys.stderr)
        _fail_job(options.job, f"nothing to learn from yet: {nothing}")
        return ExitCode.DONE if options.if_changed else ExitCode.MISSING


def _rounds(options: SimpleNamespace) -> int:
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


def _train_signal(options: SimpleNamespace) -> None:
    """Forecast closes. Naive serves unless a model beats it, which is a result, not a failure."""
    if options.if_changed and not schedule.signal_due(datetime.now(UTC)):
        return
    from ml.trading import forecasts

    run_id, promoted, detail = forecasts.run_round(options.job)
    end_job(options.job, promoted, run_id, detail)


def _train_sales(options: SimpleNamespace) -> None:
    from ml.sales import training_round

    listings = schedule.listing_count()
    try:
        training_round.run(options.quick, options.if_changed, options.job if options.kind else None)
    except NothingToLearn:
        schedule.write_note("listings", rows=listings)
        raise
    if not options.quick:  # a whole round follows
        schedule.write_note("listings", rows=listings)


def _train_prices(options: SimpleNamespace) -> None:
    """Train or issue; then refresh the tables that depend on prices and forecasts."""
    from ml.anomalies import job as anomalies
    from ml.forecasts import issue, training_round
    from ml.impact import job as impact
    from ml.risk import issue as risks
    from ml.weather import job as weather

    names = ("models", "commodities", "quick", "if_changed", "job", "data")
    chosen = {name: getattr(options, name) for name in names}
    trained = training_round.run(training_round.Request(issue_only=options.issue, **chosen))
    if options.data:  # the other tables follow from the lake
        return
    if options.issue and schedule.first_look_due():  # the first training refreshes them in a minute
        return
    if trained:
        weather.refresh(settings().lake_root)
        impact.refresh(settings().lake_root)
    anomalies.refresh(settings().lake_root)
    risks.issue(issue.known_panel(datetime.now(UTC)))
    if trained and not options.quick:
        from ml.risk import training_round as risk_round

        try:
            risk_round.run()
        except NothingToLearn as nothing:  # the history is short
            print(translated(f"risk: {nothing}"), file=sys.stderr)


def _fail_job(job: str | None, reason: str) -> None:
    if job:
        training_jobs.finish(job, "failed", False, None, reason[:1000])


if __name__ == "__main__":
    app()
