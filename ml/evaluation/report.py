"""A backtest at a terminal: a progress bar while it runs, then a table of scores, losses as well as wins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ml.evaluation.predictions import NAIVE
from ml.evaluation.scores import HalfYear, ModelScores
from ml.evaluation.significance import shown

ALL_COMMODITIES = "all together"
SIGNIFICANT = 0.01
COLUMNS: Mapping[str, Callable[[ModelScores], str]] = {
    "WAPE %": lambda scores: shown(scores.wape_pct, ".2f"),
    "MAPE %": lambda scores: shown(scores.mape_pct, ".2f"),
    "MASE": lambda scores: shown(scores.mase, ".3f"),
    "pinball Rp": lambda scores: shown(scores.pinball_idr, ",.0f"),
    "WQL %": lambda scores: shown(100 * scores.wql, ".2f"),
    "cover 80": lambda scores: shown(100 * scores.coverage_80, ".1f"),
    "cover 95": lambda scores: shown(100 * scores.coverage_95, ".1f"),
}
COMPARISON: Mapping[str, Callable[[ModelScores], str]] = {  # with naive: empty for naive itself
    "skill %": lambda scores: shown(100 * scores.skill, "+.2f"),
    "90 % interval": lambda scores: " … ".join(
        shown(100 * bound, "+.1f") for bound in (scores.skill_low, scores.skill_high)
    ),
    "t": lambda scores: shown(scores.t, "+.2f"),
    "p": lambda scores: shown(scores.p, ".2g"),
    "origins won": lambda scores: shown(100 * scores.better, ".0f") + " %",
}


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar with the time left; yields the function to call after every step."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, TextColumn("{task.fields[what]}"), console=console) as bar:
        task = bar.add_task(title, total=None, what="")
        yield lambda done, total, step: bar.update(task, completed=done, total=total, what=step)


def scores_table(
    scores: Mapping[str, Mapping[str, ModelScores]], title: str, champions: Mapping[str, str] | None = None
) -> Table:
    """A row for each commodity and model.

    `scores`: model -> commodity -> scores; `champions`: commodity -> model.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("commodity")
    table.add_column("model")
    for heading in (*COLUMNS, *COMPARISON):
        table.add_column(heading, justify="right")
    for commodity in sorted({commodity for by_commodity in scores.values() for commodity in by_commodity}):
        for model, by_commodity in scores.items():
            if commodity in by_commodity:
                serves = (champions or {}).get(commodity) == model
                own = by_commodity[commodity]
                compared = {} if model == NAIVE else COMPARISON
                table.add_row(
                    commodity or ALL_COMMODITIES,
                    f"{model} ◄" if serves else model,
                    *(text(own) for text in (*COLUMNS.values(), *compared.values())),
                    style=_style(own),
                )
        table.add_section()
    return table


def half_years_table(coverage: Mapping[str, Sequence[HalfYear]], title: str) -> Table:
    """A row for each half-year and model. `coverage`: model -> its half-years."""
    table = Table(title=title, title_justify="left")
    for heading in ("half-year", "model", "origins", "cover 80", "furthest from 80 %", "cover 80"):
        table.add_column(heading, justify="right" if heading in ("origins", "cover 80") else "left")
    for half_year in sorted({entry.half_year for entries in coverage.values() for entry in entries}):
        for model, entries in coverage.items():
            for entry in entries:
                if entry.half_year == half_year:
                    table.add_row(
                        half_year,
                        model,
                        str(entry.origins),
                        shown(100 * entry.coverage, ".1f"),
                        entry.worst_commodity,
                        shown(100 * entry.worst_coverage, ".1f"),
                    )
        table.add_section()
    return table


def _style(scores: ModelScores) -> str:
    """Green for significantly better than naive, red for significantly worse."""
    if scores.p < SIGNIFICANT:
        return "green" if scores.t > 0 else "red"
    return ""
