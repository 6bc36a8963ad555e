"""What people read in a terminal, in the language of the knob `language`. Data is never translated."""

import re
from collections.abc import Iterable
from typing import Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.strange_text import visible
from lakehouse.translation import in_language


def translated(message: str) -> str:
    """The message in the language of the knob."""
    return in_language(message, settings().language)


def translate_help(command: Any) -> None:  # noqa: ANN401  (typer has click's classes inside)
    """Translate the help texts of a Typer command, of its parameters and subcommands in place."""
    for item in (command, *command.params):
        if text := getattr(item, "help", None):
            item.help = translated_help(text)
        if group := getattr(item, "rich_help_panel", None):
            item.rich_help_panel = translated(group)
    for subcommand in getattr(command, "commands", {}).values():
        translate_help(subcommand)


def translated_help(text: str) -> str:
    """The text in the language of the knob; in English with its paragraphs, each in one line."""
    joined = " ".join(text.split())
    in_knob = translated(joined)
    if in_knob != joined:
        return in_knob
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


class VisibleConsole(Console):
    """A console that shows the control characters in texts instead of obeying them."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As of rich."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


class Terminal(VisibleConsole):
    """stderr; `print` shows messages in the language of the knob."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """As of rich; texts are translated."""
        super().print(*(translated(item) if isinstance(item, str) else item for item in objects), **options)


console = Terminal()


def fail(text: str, code: ExitCode | int) -> NoReturn:
    """Print the message on stderr and exit with `code`."""
    console.print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(code)
