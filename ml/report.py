"""A backtest for people at a terminal: progress while it runs, then a table that shows losses as plainly as wins."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ml.cells import NAIVE
from ml.figures import Figures

EVERYTHING = "all together"


@contextmanager
def shown(console: Console, title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar with the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[what]}"), console=console) as bar:
        task = bar.add_task(title, total=None, what="")
        yield lambda done, total, what: bar.update(task, completed=done, total=total, what=what)


def table(found: Mapping[str, Mapping[str, Figures]], title: str, champions: Mapping[str, str] | None = None) -> Table:
    """Model → commodity → figures as rows, losses as plain as wins; `champions` maps commodities to the model that serves."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("commodity")
    shown.add_column("model")
    heads = (
        "WAPE %",
        "MAPE %",
        "MASE",
        "pinball Rp",
        "WQL %",
        "cover 80",
        "cover 95",
        "skill %",
        "90 % interval",
        "t",
        "p",
        "origins won",
    )
    for head in heads:
        shown.add_column(head, justify="right")
    goods = sorted({good for by_good in found.values() for good in by_good})
    for good in goods:
        for model, by_good in found.items():
            if good in by_good:
                serves = (champions or {}).get(good) == model
                shown.add_row(
                    good or EVERYTHING,
                    f"{model} ◄" if serves else model,
                    *_texts(by_good[good], model),
                    style=_style(by_good[good]),
                )
        shown.add_section()
    return shown


def _texts(one: Figures, model: str) -> list[str]:
    errors = [f"{one.wape_pct:.2f}", f"{one.mape_pct:.2f}", f"{one.mase:.3f}", f"{one.pinball_idr:,.0f}", f"{100 * one.wql:.2f}"]
    covered = [f"{100 * one.coverage_80:.1f}", f"{100 * one.coverage_95:.1f}"]
    if model == NAIVE:
        return [*errors, *covered, "", "", "", "", ""]
    interval = f"{100 * one.skill_low:+.1f} … {100 * one.skill_high:+.1f}"
    return [*errors, *covered, f"{100 * one.skill:+.2f}", interval, f"{one.t:+.2f}", f"{one.p:.2g}", f"{100 * one.better:.0f} %"]


def _style(one: Figures) -> str:
    if one.p < 0.01:
        return "green" if one.t > 0 else "red"
    return ""
