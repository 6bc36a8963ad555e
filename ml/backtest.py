"""Backtest every model against the naive forecast from past origins; the result is a table and plots."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from rich.console import Console

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused, hold
from conf.settings import settings
from lakehouse.io.terminal import translate_parser, translated
from lakehouse.trading.bars import INTERVALS
from ml.data.panel import NothingToLearn, Panel
from ml.models.parallel import WorkerDied, end_on_sigterm
from ml.progress import TrainingProgress

if TYPE_CHECKING:  # evaluation is imported when a backtest runs: a refusal or a usage error answers at once
    from collections.abc import Mapping

    from ml.evaluation.assessment import Assessment
    from ml.evaluation.conformal import Intervals
    from ml.evaluation.predictions import Predictions


SIGNAL = "signal"  # not a model: strategies on past bars, with arguments of their own


def argument_parser() -> argparse.ArgumentParser:
    """The arguments of `backtest`."""
    parser = argparse.ArgumentParser(prog="./run.sh backtest", description=__doc__)
    parser.add_argument(
        "models",
        nargs="*",
        help="default: knob training.models, and when that is empty all that are not on demand; "
        "naive is always included; signal: strategies on past bars",
    )
    parser.add_argument("--quick", action="store_true", help="few origins and small models: takes a minute")
    parser.add_argument(
        "--data",
        type=Path,
        help="a file or folder of any format of conf/sources, or a long CSV (date, commodity, region, price)",
    )
    parser.add_argument(
        "--horizon",
        type=int,
        nargs="*",
        default=(),
        help="days ahead that the table covers; all of them by default",
    )
    parser.add_argument(
        "--holdout",
        metavar="REASON",
        help="open the final holdout, 13 origins, and record the reason",
    )
    parser.add_argument("--json", action="store_true", help="the figures as JSON on stdout")
    signal = parser.add_argument_group(SIGNAL)
    signal.add_argument(
        "--symbol", nargs="*", default=[], help="stocks or coins; all that have bars otherwise"
    )
    signal.add_argument(
        "--strategy",
        default=SIGNAL,
        help="signal: the signals that are served; all: each strategy with its defaults",
    )
    signal.add_argument(
        "--set",
        metavar="NAME=VALUES",
        nargs="*",
        default=[],
        help="a parameter of the strategy and the values to try, such as fast=5,10",
    )
    signal.add_argument(
        "--interval", choices=INTERVALS, help="length of a bar; daily bars where there are any otherwise"
    )
    signal.add_argument("--from", dest="first", type=date.fromisoformat, help="first day, YYYY-MM-DD")
    signal.add_argument("--to", type=date.fromisoformat, help="day after the last, YYYY-MM-DD")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, 1 a champion loses to naive, 2 wrong usage, 3 no data, 5 a training round runs."""
    options = translate_parser(argument_parser()).parse_args(arguments)
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


def _panel(options: argparse.Namespace) -> Panel:
    from ml.data.load import read_panel
    from ml.data.reporting_periods import evaluation_panel
    from ml.forecasts.issue import known_panel

    if options.data:
        whole = read_panel(options.data, settings().forecast.publishing_lag_days)
    else:
        whole = known_panel(datetime.now(UTC))
    panel = evaluation_panel(whole)
    if panel is None:
        raise NothingToLearn("there is no price")
    return panel


def _run(options: argparse.Namespace, progress: TrainingProgress) -> int:
    from ml.evaluation.evaluate import compare_models, evaluate_holdout
    from ml.evaluation.origins import LEAST_ORIGINS, plan_round
    from ml.evaluation.plots import save_plots
    from ml.forecasts.accuracy_table import write_accuracy
    from ml.forecasts.training_round import BACKTEST_FOLDER, Request, models_of
    from ml.schedule import state_folder

    panel = _panel(options)
    names = models_of(Request(models=tuple(options.models), quick=options.quick))
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
    return {
        commodity: decision.model
        for commodity, decision in assessment.champions.items()
        if decision is not None
    }


def _show(
    predictions: "Predictions",
    intervals: "Mapping[str, Intervals]",
    champions: dict[str, str],
    options: argparse.Namespace,
    title: str,
) -> None:
    """Print the tables, or with --json the figures."""
    from ml.evaluation.half_years import coverage_by_half_year
    from ml.evaluation.report import half_years_table, scores_table
    from ml.evaluation.scores import scores_by_commodity

    horizons = tuple(options.horizon)
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
    sys.exit(main(sys.argv[1:]))
