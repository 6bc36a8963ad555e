"""What the commands share: messages and progress on stderr, data on stdout."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Annotated, TypeVar

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from lakehouse.io.terminal import VisibleConsole, translated
from lakehouse.io.terminal import console as console
from lakehouse.io.terminal import fail as fail
from lakehouse.strange_text import escaped_json
from lakehouse.times import parse_time

Item = TypeVar("Item")
AsJson = Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")]
UNBOUNDED = 100_000  # characters: the width of what is no terminal; rich would take 80, and cut names
NOTHING = "–"  # an empty cell
REPEAT_SECONDS = 5  # on a stream that is no terminal, a running step is repeated this often


def new_app(help_text: str | None) -> typer.Typer:
    """The command line of one verb; `help_text` is shown above its subcommands."""
    return typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=help_text
    )


def result_console(out: IO[str] | None = None, off_terminal: int = UNBOUNDED) -> Console:
    """Prints tables of results on stdout or `out`, without markup in their texts.

    `off_terminal`: the width of what is no terminal, characters.
    """
    out = out or sys.stdout
    width = None if out.isatty() else off_terminal
    return VisibleConsole(file=out, width=width, highlight=False, markup=False)


def is_too_wide(shown: Table, out: Console) -> bool:
    """Whether the table has to fold or cut a text on this console."""
    return out.measure(shown, options=out.options.update(width=UNBOUNDED)).maximum > out.width


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[object]], out: Console | None = None) -> None:
    """Print rows as a table on stdout, and nothing is cut: where it is too wide, each row is a paragraph.

    A paragraph begins with the first cell, on a line of its own.
    """
    out = out or result_console()
    names = [translated(heading) for heading in headings]
    cells = [[NOTHING if value in (None, "") else str(value) for value in row] for row in rows]
    shown = Table(*names, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for row in cells:
        shown.add_row(*row)
    if not is_too_wide(shown, out):
        out.print(shown)
        return
    for first, *others in cells:
        out.print(first, style="bold", soft_wrap=True)
        pairs = zip(names[1:], others, strict=True)
        text = " · ".join(f"{name}: {value}" for name, value in pairs if value != NOTHING)
        out.print(Padding(Text(text, overflow="fold"), (0, 0, 0, 2)))


def duration_text(seconds: float) -> str:
    """`42 s`, `3 min`, `5 h` or `4 days`, in the language of the knob."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and unit != "days"):
            return translated(f"{seconds // size:.0f} {unit}")
    return f"{max(0, seconds):.0f} s"


def ago(moment: str | datetime | None) -> str:
    """`3 min ago`; – for no moment."""
    moment = parse_time(moment) if isinstance(moment, str) else moment
    if moment is None:
        return NOTHING
    return translated(f"{duration_text((datetime.now(UTC) - moment).total_seconds())} ago")


def emit(data: object) -> None:
    """Print one JSON document on stdout."""
    print(escaped_json(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()))


def progress(items: Sequence[Item], doing: str) -> Iterator[Item]:
    """The items one by one; a terminal shows on stderr which share is done, until the last one is."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield from bar.track(items, description=translated(doing))


class Steps:
    """Progress of named steps: `update` reports how far a step is, `done` ends it.

    A terminal shows one live line a step, any other stream gets plain lines.
    """

    def __init__(self) -> None:
        self._live = console.is_terminal
        self._started: dict[str, float] = {}
        self._last_line: dict[str, tuple[float, str]] = {}  # step -> when it was printed, its text
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.fields[name]:<16}"),
            TextColumn("{task.description}", table_column=Column(overflow="fold")),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Steps":
        if self._live:
            self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._progress.stop()

    def update(self, name: str, text: str) -> None:
        """Show the text for the step; the first call starts its clock."""
        text = translated(text)
        now = time.monotonic()
        started = self._started.setdefault(name, now)
        if self._live:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(text, total=1, name=name)
            self._progress.update(self._tasks[name], description=text)
            return
        printed_at, printed = self._last_line.get(name, (0.0, ""))
        if now - printed_at >= REPEAT_SECONDS or not printed:
            self._last_line[name] = (now, text)
            console.print(f"  {name:<17}{text} … {now - started:.0f} s", markup=False)

    def done(self, name: str, text: str = "ready") -> None:
        """End the step."""
        text = translated(text)
        if self._live:
            self.update(name, text)
            self._progress.update(self._tasks[name], completed=1)
        else:
            now = time.monotonic()
            seconds = now - self._started.get(name, now)
            console.print(f"  {name:<17}{text} ({seconds:.1f} s)", markup=False)
