"""`./run.sh backtest signal --lookahead` and `--warmup`: whether strategies see later bars, or too few."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from types import SimpleNamespace
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from conf.runtime.exit_codes import ExitCode
from lakehouse.io.terminal import translated
from lakehouse.trading.lookahead import (
    LENGTHS,
    LookaheadResult,
    WarmUpResult,
    check_lookahead,
    check_warm_up,
)
from lakehouse.trading.series_bars import StoredSeries
from lakehouse.trading.strategies import Variant
from ml.data.panel import NothingToLearn
from ml.trading.bars import bars_of


def run_checks(options: SimpleNamespace, tried: Sequence[Variant], symbols: Sequence[str]) -> int:
    """Exit code: 0 nothing is biased, 1 something is.

    Raises NothingToLearn for a given symbol without such bars, and where no symbol has any.
    """
    stored = stored_series(options, symbols)
    output: dict[str, list[dict[str, Any]]] = {}
    tables = []
    failed = False
    if options.lookahead:
        cut = [check_lookahead(each.series, each.bars, variant) for variant in tried for each in stored]
        output["lookahead"] = [asdict(result) for result in cut]
        tables.append(lookahead_table(cut))
        failed = any(result.biased for result in cut)
    if options.warmup:
        warm = check_warm_up([(each.series, each.bars) for each in stored], tried)
        output["warm_up"] = [asdict(result) | {"is_stable": result.is_stable} for result in warm]
        tables.append(warm_up_table(warm))
        failed = failed or not all(result.is_stable for result in warm)
    if options.json:
        print(orjson.dumps(output, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
    else:
        Console(width=None if sys.stdout.isatty() else 150, highlight=False).print(*tables)
    return ExitCode.FAILED if failed else ExitCode.DONE


def stored_series(options: SimpleNamespace, symbols: Sequence[str]) -> list[StoredSeries]:
    """The bars of the symbols; where none was given, of those that have bars of the interval and the days."""
    first, end = (day and day.date() for day in (options.first, options.to))
    stored = []
    lacking: NothingToLearn | None = None
    for symbol in symbols:
        try:
            stored.append(bars_of(symbol, first, end, options.interval))
        except NothingToLearn as nothing:
            lacking = nothing
    if lacking and (options.symbol or not stored):
        raise lacking
    return stored


def lookahead_table(results: Sequence[LookaheadResult]) -> Table:
    """A row per strategy and symbol."""
    table = Table(title=translated("Decisions repeated on the bars cut at each of them"))
    for name in ("strategy", "symbol", "decisions", "biased", "biased indicators"):
        table.add_column(name, justify="right" if name in ("decisions", "biased") else "left")
    for result in results:
        counts = (str(result.checked), str(result.biased))
        table.add_row(result.strategy, result.symbol, *counts, ", ".join(result.names))
    return table


def warm_up_table(results: Sequence[WarmUpResult]) -> Table:
    """A row per indicator: the deviation by the number of bars, that at the bars that are used last."""
    title = "Deviation of the newest value from that of the whole history, by number of bars, in percent"
    table = Table(title=translated(title))
    table.add_column("strategy")
    table.add_column("indicator")
    for name in (*map(str, LENGTHS), "bars used", "there"):
        table.add_column(name, justify="right")
    for result in results:
        by_length = [shown(result.deviation_pct[length]) for length in (*LENGTHS, result.bars)]
        verdict = "" if result.is_stable else " !"
        table.add_row(
            result.strategy, result.indicator, *by_length[:-1], str(result.bars), by_length[-1] + verdict
        )
    return table


def shown(deviation: float | None) -> str:
    """A percentage; – where no series is longer, ∞ where so few bars give no value."""
    if deviation is None:
        return "–"
    return f"{deviation:.1g}" if isfinite(deviation) else "∞"
