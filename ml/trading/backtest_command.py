"""`./run.sh backtest signal`: strategies on past bars, and whether their results could be luck."""

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.io import personal_jobs
from lakehouse.io.backtest_page import PageNotBuilt, backtest_page
from lakehouse.io.terminal import translated
from lakehouse.trading.evaluation import TooFewBars, TooManySteps
from lakehouse.trading.strategies import ALL, HOUSE, Number, StrategyFault, chosen_variants
from ml.data.panel import NothingToLearn
from ml.trading.bars import stored_symbols
from ml.trading.lookahead_command import run_checks
from ml.trading.own_job import result_of_test, run_backtest, trials_before

OWNER = "command"  # whose trials are counted together: those of everybody who may run commands here


def run(options: SimpleNamespace) -> int:
    """Exit code: 0 done, 1 a strategy is biased (--lookahead, --warmup), 2 wrong usage, 3 no bars."""
    checks = options.lookahead or options.warmup
    language = settings().language
    options.strategy = options.strategy or (ALL if checks else HOUSE)
    try:
        parameters = dict(given_values(text) for text in options.parameters or ())
        tried = chosen_variants(options.strategy, parameters)
        symbols = [symbol.upper() for symbol in options.symbol or stored_symbols()]
        if checks:
            return run_checks(options, tried, symbols)
        file = options.report and settings().called_from / options.report
        if file:  # whether it can be written is known before a test of minutes
            if not file.parent.is_dir():
                raise ValueError(f"{file.parent} is no folder")
            backtest_page([], language)
    except (ValueError, StrategyFault) as fault:
        print(translated(getattr(fault, "text", str(fault))), file=sys.stderr)
        return ExitCode.USAGE
    except NothingToLearn as nothing:
        print(translated(f"nothing to learn from: {nothing}"), file=sys.stderr)
        return ExitCode.MISSING
    except PageNotBuilt as missing:
        print(translated(str(missing)), file=sys.stderr)
        return ExitCode.MISSING
    requests = [request_of(symbol, options, parameters) for symbol in symbols]
    results = tested(requests)
    if file:
        file.write_text(backtest_page(reports_of(requests, results), language), encoding="utf-8")
        print(translated(f"report: {file}"), file=sys.stderr)
    if options.json:
        print(orjson.dumps(results, option=orjson.OPT_INDENT_2).decode())
    else:
        Console(width=None if sys.stdout.isatty() else 150, highlight=False).print(table_of(results))
    return ExitCode.DONE


def reports_of(
    requests: Sequence[dict[str, Any]], results: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The requests with their figures, of the symbols that could be tested."""
    every = [{**request, **results[request["symbol"]]} for request in requests]
    return [each for each in every if "report" in each]


def given_values(text: str) -> tuple[str, list[Number]]:
    """(name, values) of `fast=5,10`. Raises ValueError."""
    name, separator, values = text.partition("=")
    if not separator:
        raise ValueError(f"'{text}' is not NAME=VALUES")
    return name, [float(value) for value in values.split(",")]


def request_of(symbol: str, options: SimpleNamespace, parameters: dict[str, list[Number]]) -> dict[str, Any]:
    """The test of one symbol as a person would order it."""
    return {
        "symbol": symbol,
        "strategy": options.strategy,
        "parameters": parameters,
        "from": f"{options.first:%Y-%m-%d}" if options.first else None,
        "to": f"{options.to:%Y-%m-%d}" if options.to else None,
        "interval": options.interval,
        "benchmark": "buy_and_hold",
    }


def tested(requests: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Symbol -> its figures, which are kept; `detail` alone where it failed.

    The trials of all symbols count for each: they are tested first, and deflated afterwards.
    """
    results: dict[str, dict[str, Any]] = {}
    tests = []
    trials = trials_before(OWNER)
    for request in requests:
        try:
            series, test = run_backtest(request)
        except (NothingToLearn, TooFewBars, TooManySteps) as refusal:
            results[request["symbol"]] = {"detail": str(refusal)}
            continue
        tests.append((request, series, test))
        trials |= test.trials
    for request, series, test in tests:
        result = result_of_test(request, series, test, trials)
        personal_jobs.keep("backtest", OWNER, request, result)
        results[request["symbol"]] = result
    return results


def table_of(results: dict[str, dict[str, Any]]) -> Table:
    """A row per symbol: chance first, then what it brought beside holding."""
    table = Table(title=translated("Strategies on past bars, with costs; fills at the next open"))
    for name in ("symbol", "trials", "DSR", "PBO", "return %", "held %", "drawdown %", "trades", "verdict"):
        table.add_column(name, justify="left" if name in ("symbol", "verdict") else "right")
    for symbol, result in results.items():
        if "metrics" not in result:
            table.add_row(symbol, *[""] * 7, translated(result["detail"]))
            continue
        metrics = result["metrics"]
        shares = (result["deflated_sharpe"], result["pbo"])
        table.add_row(
            symbol,
            str(result["trials"]),
            *("–" if share is None else f"{share:.2f}" for share in shares),
            f"{metrics['return_pct']:+.1f}",
            f"{result['against_buy_and_hold']['return_pct']:+.1f}",
            f"{metrics['max_drawdown_pct']:.1f}",
            str(metrics["trades"]),
            translated(result["verdict"]),
        )
    return table
