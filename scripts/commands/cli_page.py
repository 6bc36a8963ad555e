"""docs/reference/cli.md: every verb of ./run.sh, read from the commands themselves."""

import importlib
from collections.abc import Iterator
from typing import Any

import typer

from scripts.cli import VERBS, Verb, setup
from scripts.commands.markdown import table

HEADER = ("argument or option", "default", "description")


def cli_page() -> str:
    """The command line as Markdown, one section per verb in the order of `./run.sh --help`."""
    summaries = [("setup", setup.__doc__ or ""), *((verb.name, verb.help) for verb in VERBS)]
    sections = [
        "# Command line",
        "Every verb is called as `./run.sh VERB`. Data goes to stdout, progress and messages to stderr.\n"
        "[Exit codes](exit-codes.md) are the same for all verbs. `--help` works everywhere.",
        table(("verb", "does"), [(f"[`{name}`](#{name})", text) for name, text in summaries]),
        "## setup",
        setup.__doc__ or "",
    ]
    for verb in VERBS:
        sections += [f"## {verb.name}", *_sections(verb)]
    return "\n\n".join(sections)


def _sections(verb: Verb) -> Iterator[str]:
    """Description and options of a verb, and of each of its subcommands."""
    module = importlib.import_module(verb.module)
    command: Any = typer.main.get_command(module.app)
    yield _text(command)
    yield from _parameters(command)
    for name, subcommand in getattr(command, "commands", {}).items():
        yield f"### {verb.name} {name}"
        yield _text(subcommand)
        yield from _parameters(subcommand)


def _text(command: Any) -> str:  # noqa: ANN401
    return " ".join((command.help or "").split())


def _parameters(command: Any) -> Iterator[str]:  # noqa: ANN401
    """A table of the arguments and options of a Typer command, nothing when it has none."""
    rows = [
        (_signature(parameter), _default(parameter), _help(parameter))
        for parameter in command.params
        if parameter.name != "help" and not parameter.hidden
    ]
    if rows:
        yield table(HEADER, rows)


def _help(parameter: Any) -> str:  # noqa: ANN401
    choices = getattr(parameter.type, "choices", ())
    return _text(parameter) + (f" (one of {', '.join(map(str, choices))})" if choices else "")


def _signature(parameter: Any) -> str:  # noqa: ANN401
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:  # noqa: ANN401
    if parameter.required:
        return "required"
    default = parameter.default
    return "" if default in (None, False, ()) or callable(default) else f"`{default}`"
