"""docs/reference/cli.md: every verb of ./run.sh, read from the commands themselves."""

import argparse
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
    if verb.own_process:
        parser: argparse.ArgumentParser = module.argument_parser()
        yield verb.help
        yield from _parser_options(parser)
        return
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
        (_signature(parameter), _default(parameter), " ".join((parameter.help or "").split()))
        for parameter in command.params
        if parameter.name != "help" and not parameter.hidden
    ]
    if rows:
        yield table(HEADER, rows)


def _signature(parameter: Any) -> str:  # noqa: ANN401
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:  # noqa: ANN401
    if parameter.required:
        return "required"
    default = parameter.default
    return "" if default in (None, False, ()) or callable(default) else f"`{default}`"


def _parser_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A table of the arguments and options of an argparse command."""
    rows = []
    for action in parser._actions:  # argparse offers no public list of its actions
        if action.help == argparse.SUPPRESS or action.dest == "help":
            continue
        choices = f" (one of {', '.join(map(str, action.choices))})" if action.choices else ""
        names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.dest.upper()}`"
        default = "" if action.default in (None, False, (), []) else f"`{action.default}`"
        rows.append((names, default, f"{action.help or ''}{choices}"))
    if rows:
        yield table(HEADER, rows)
