"""Backtest every model against the naive forecast from past origins; the result is a table and plots."""

import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from typer.core import TyperCommand

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused, hold
from conf.settings import settings
from lakehouse.io.terminal import translated
from ml.data.panel import NothingToLearn, Panel
from ml.models.parallel import WorkerDied, end_on_sigterm
from ml.progress import TrainingProgress

if TYPE_CHECKING:  # evaluation is imported when a backtest runs: a refusal or a usage error answers at once
    from collections.abc import Mapping

    from ml.evaluation.conformal import Intervals
    from ml.evaluation.gate import Assessment
    from ml.evaluation.predictions import Predictions


SIGNAL = "signal"  # not a model: strategies on past bars, with arguments of their own
Interval = Literal["1m", "5m", "15m", "1d"]
OfSignal = partial(typer.Option, rich_help_panel=SIGNAL)
DAY = ["%Y-%m-%d"]
MODELS_HELP = (
    "default: knob training.models, and when that is empty all that are not on demand; "
    "naive is always included; signal: strategies on past bars"
)
QUICK_HELP = "few origins and small models: takes a minute"
DATA_HELP = "a file or folder of any format of conf/sources, or a long CSV (date, commodity, region, price)"
HORIZON_HELP = "days ahead that the table covers; all of them by default"
HOLDOUT_HELP = "open the final holdout, 13 origins, and record the reason"
STRATEGY_HELP = (
    "signal: the signals that are served; all: each strategy with its defaults; several: ma_cross,momentum; "
    "default: signal, and all for --lookahead and --warmup"
)
LOOKAHEAD_HELP = "repeat decisions on the bars cut at each of them; ends with 1 when one comes out otherwise"
WARMUP_HELP = "how far indicators depend on where the bars begin; ends with 1 when one does where it is used"
SET_HELP = "a parameter of the strategy and the values to try, such as fast=5,10"
INTERVAL_HELP = "length of a bar; daily bars where there are any otherwise"
REPORT_HELP = "write the reports of all symbols into one HTML file that needs nothing else"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class SeveralValues(TyperCommand):
    """`--horizon 1 7` means `--horizon 1 --horizon 7`, and so for the other options that take several."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  (a class inside typer)
        """As of typer."""
        spread: list[str] = []
        option = ""
        for text in args:
            if text.startswith("--"):
                option = text if text in ("--horizon", "--symbol", "--set") else ""
            elif option and spread[-1] != option:
                spread.append(option)
            spread.append(text)
        return super().parse_args(ctx, spread)


@app.command(help=__doc__, cls=SeveralValues)
def main(
    models: Annotated[list[str] | None, typer.Argument(help=MODELS_HELP)] = None,
    quick: Annotated[bool, typer.Option("--quick", help=QUICK_HELP)] = False,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    horizon: Annotated[list[int] | None, typer.Option(help=HORIZON_HELP)] = None,
    holdout: Annotated[str | None, typer.Option(metavar="REASON", help=HOLDOUT_HELP)] = None,
    json: Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")] = False,
    symbol: Annotated[
        list[str] | None, OfSignal(help="stocks or coins; all that have bars otherwise")
    ] = None,
    strategy: Annotated[str | None, OfSignal(help=STRATEGY_HELP)] = None,
    parameters: Annotated[list[str] | None, OfSignal("--set", metavar="NAME=VALUES", help=SET_HELP)] = None,
    interval: Annotated[Interval | None, OfSignal(help=INTERVAL_HELP)] = None,
    first: Annotated[datetime | None, OfSignal("--from", formats=DAY, help="first day, YYYY-MM-DD")] = None,
    to: Annotated[datetime | None, OfSignal(formats=DAY, help="day after the last, YYYY-MM-DD")] = None,
    lookahead: Annotated[bool, OfSignal("--lookahead", help=LOOKAHEAD_HELP)] = False,
    warmup: Annotated[bool, OfSignal("--warmup", help=WARMUP_HELP)] = False,
    report: Annotated[Path | None, OfSignal(metavar="FILE", help=REPORT_HELP)] = None,
) -> None:
    raise typer.Exit(backtest(SimpleNamespace(**locals())))


def backtest(options: SimpleNamespace) -> int:
    """Exit code: 0 done, 1 a champion loses to naive, 2 wrong usage, 3 no data, 5 a training round runs."""
    if options.models == [SIGNAL]:
        from ml.trading import backtest_command

        return backtest_command.run(options)
    progress = TrainingProgress()
    end_on_sigterm()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        with hold("training", "a training round runs"):
            return _run(options, progress)
    except Refused as refusal:
        progress.print(str(refusal))
        return ExitCode.REFUSED
    except NothingToLearn as nothing:
        progress.print(f"nothing to learn from: {nothing}")
        return ExitCode.MISSING
    except WorkerDied as death:
        progress.print(str(death))
        return ExitCode.FAILED
    except ValueError as error:
        progress.print(str(error))
        return ExitCode.USAGE


def _panel(options: SimpleNamespace) -> Panel:
    from ml.data.reporting_periods import evaluation_panel
    from ml.forecasts.issue import known_panel

    panel = evaluation_panel(known_panel(datetime.now(UTC), options.data))
    if panel is None:
        raise NothingToLearn("there is no price")
    return panel


def _run(options: SimpleNamespace, progress: TrainingProgress) -> int:
    from ml.evaluation.backtest import LEAST_ORIGINS, plan_round
    from ml.evaluation.evaluate import compare_models, evaluate_holdout
    from ml.evaluation.plots import save_plots
    from ml.forecasts.accuracy_table import write_accuracy
    from ml.forecasts.training_round import BACKTEST_FOLDER, Request, models_of
    from ml.schedule import state_folder

    panel = _panel(options)
    names = models_of(Request(models=tuple(options.models or ()), quick=options.quick))
    origins = len(plan_round(panel, options.quick).part(opened=False).origins)
    if origins < LEAST_ORIGINS:
        raise NothingToLearn(
            f"history gives {origins} origins after a first year, {LEAST_ORIGINS} are needed"
        )
    challengers = [name for name in names if name != "naive"]
    comparison = compare_models(panel, challengers, options.quick, state_folder() / BACKTEST_FOLDER, progress)
    assessment = comparison.assessment
    champions = _champions(assessment, serving=options.data is None)
    size = (
        f"{len(panel.distinct_commodities)} commodities, {len(panel.commodities)} series, {origins} origins"
    )
    title = f"Backtest: {size}, holdout closed"
    _show(assessment.predictions, assessment.intervals, champions, options, title)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    folder = settings().home / "backtest" / stamp
    save_plots(assessment, folder)
    progress.print(f"plots: {folder}")
    if options.holdout:
        predictions, intervals, _ = evaluate_holdout(
            comparison, list(assessment.predictions.models), options.holdout, progress
        )
        _show(predictions, intervals, champions, options, "Final holdout, opened now")
    if options.data is None and not options.quick:
        write_accuracy(assessment, champions, f"backtest-{stamp}")
    return _exit_code(assessment, champions, progress)


def _champions(assessment: "Assessment", serving: bool) -> dict[str, str]:
    """Commodity -> model that serves the lake; of files, the model that passes the gate."""
    if serving:
        from ml.forecasts.issue import current_champions

        return current_champions()
    return {commodity: decision.model for commodity, decision in assessment.passed.items()}


def _show(
    predictions: "Predictions",
    intervals: "Mapping[str, Intervals]",
    champions: dict[str, str],
    options: SimpleNamespace,
    title: str,
) -> None:
    """Print the tables, or with --json the figures."""
    from ml.evaluation.report import half_years_table, scores_table
    from ml.evaluation.scores import coverage_by_half_year, scores_by_commodity

    horizons = tuple(options.horizon or ())
    figures = {name: scores_by_commodity(predictions, name, intervals[name], horizons) for name in intervals}
    half_years = {name: coverage_by_half_year(predictions, intervals[name], horizons) for name in intervals}
    days = ", ".join(map(str, horizons))
    title = f"{title}, days {days}" if horizons else f"{title}, all horizons"
    if options.json:
        plain = {
            model: {commodity or "all": asdict(values) for commodity, values in by_model.items()}
            for model, by_model in figures.items()
        }
        by_half_year = {model: [asdict(entry) for entry in entries] for model, entries in half_years.items()}
        content = {"title": title, "champions": champions, "figures": plain, "half_years": by_half_year}
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
        return
    width = None if sys.stdout.isatty() else 170
    console = Console(width=width, highlight=False)
    console.print(scores_table(figures, translated(title), champions))
    console.print(half_years_table(half_years, translated("Coverage of 80 % intervals per half-year")))


def _exit_code(assessment: "Assessment", champions: dict[str, str], progress: TrainingProgress) -> int:
    """1 when the champion of a commodity did worse than naive on these cells, else 0."""
    code = ExitCode.DONE
    for commodity, model in champions.items():
        decision = assessment.decisions.get(model, {}).get(commodity)
        if decision is not None and decision.scores.skill < 0:
            progress.print(f"champion loses to naive, {commodity}: {decision.summary}")
            code = ExitCode.FAILED
    return code


if __name__ == "__main__":
    app()
