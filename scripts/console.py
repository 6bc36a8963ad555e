"""What the commands share: messages and progress on stderr, data on stdout."""

import sys
import time
from typing import IO, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from lakehouse.io.terminal import VisibleConsole, translated
from lakehouse.io.terminal import console as console
from lakehouse.io.terminal import fail as fail
from lakehouse.strange_text import escaped_json

AsJson = Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")]
WIDTH_OFF_TERMINAL = 200  # characters; rich would take 80, and cut names
REPEAT_SECONDS = 5  # on a stream that is no terminal, a running step is repeated this often


def new_app(help_text: str | None) -> typer.Typer:
    """The command line of one verb; `help_text` is shown above its subcommands."""
    return typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=help_text
    )


def result_console(out: IO[str] | None = None) -> Console:
    """Prints tables of results on stdout or `out`, without markup in their texts."""
    out = out or sys.stdout
    width = None if out.isatty() else WIDTH_OFF_TERMINAL
    return VisibleConsole(file=out, width=width, highlight=False, markup=False)


def emit(data: object) -> None:
    """Print one JSON document on stdout."""
    print(escaped_json(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()))


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
