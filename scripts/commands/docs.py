"""`docs`: docs/reference and .env.example, rendered from contracts, knobs, commands and API."""

import importlib
import json
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from conf.knob_faults import variable_of
from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO, Secrets, Settings, knob_defaults
from scripts.cli import GROUPS, VERBS, Verb, setup
from scripts.commands.reference_pages import (
    api_page,
    exit_codes_page,
    is_section,
    knob_comments,
    knobs_page,
    rules_page,
    table,
    tables_page,
    variable_name,
)
from scripts.console import console, fail, new_app

app = new_app(None)
REFERENCE = REPO / "docs" / "reference"
ENV_EXAMPLE = ".env.example"
CLI_HEADER = ("argument or option", "default", "description")
ENV_HEADER = (
    "# Environment variables of Lumbung, each with its default. Written by ./run.sh docs; do not edit.\n"
    "# Copy to .env, remove the # before a variable to set it, then: set -a; . ./.env; set +a; ./run.sh up"
)
NOT_SET_BY_USERS = ("failpoint", "clock_steps", "called_from", "shared")
JAVA_HOME = "a Java 17 or 21; without it run.sh searches the usual folders"
FROM_SETUP = "random, written by ./run.sh setup to LUMBUNG_HOME/secrets.env; set it to use your own"
NOTICE = "<!-- Written by ./run.sh docs. Do not edit: change the source and run it again. -->\n\n"


@app.command()
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit 1 with the names of outdated pages")
    ] = False,
) -> None:
    """Write docs/reference and .env.example from contracts, knobs, commands and API."""
    if not check:
        console.print(f"written: {', '.join(write_pages()) or 'nothing, all pages were current'}")
    elif stale := stale_pages():
        fail(f"not current: {', '.join(stale)}; remedy: ./run.sh docs", ExitCode.FAILED)
    else:
        console.print("docs/reference and .env.example are current")


@cache
def pages() -> dict[str, str]:
    """File name -> text of every reference page and of .env.example."""
    rendered = {
        "api.md": api_page(),
        "cli.md": cli_page(),
        "exit-codes.md": exit_codes_page(),
        "knobs.md": knobs_page(),
        "rules.md": rules_page(),
        "tables.md": tables_page(),
    }
    texts = {name: NOTICE + text.rstrip() + "\n" for name, text in rendered.items()}
    return texts | {ENV_EXAMPLE: env_example()}


def write_pages(folder: Path | None = None) -> list[str]:
    """Write the pages that differ from their source, to `folder` if given; returns their names."""
    stale = stale_pages(folder)
    rendered = pages()
    for name in stale:
        file = _file(name, folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rendered[name], encoding="utf-8")
    return stale


def stale_pages(folder: Path | None = None) -> list[str]:
    """Names of pages that are missing or differ from what their source renders to."""
    files = {name: _file(name, folder) for name in pages()}
    current = {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()}
    return [name for name, text in pages().items() if current.get(name) != text]


def _file(name: str, folder: Path | None) -> Path:
    return (folder or (REPO if name == ENV_EXAMPLE else REFERENCE)) / name


# ---------------------------------------------------------------------------------------------- command line


def cli_page() -> str:
    """The command line as Markdown, one section per verb in the order of `./run.sh --help`."""
    summaries = [("setup", setup.__doc__ or ""), *((verb.name, verb.help) for verb in VERBS)]
    group_of = {verb.name: group for group, verbs in GROUPS.items() for verb in verbs} | {"setup": "Run"}
    sections = [
        "# Command line",
        "Every verb is called as `./run.sh VERB`. Data goes to stdout, progress and messages to stderr.\n"
        "[Exit codes](exit-codes.md) are the same for all verbs. `--help` works everywhere, with examples;\n"
        "`./run.sh --version` prints the version. Colours are left out where `NO_COLOR` is set.",
        table(
            ("group", "verb", "does"),
            [(group_of[name], f"[`{name}`](#{name})", text) for name, text in summaries],
        ),
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
    yield "\n".join(("```bash", *(f"./run.sh {text}" for text in verb.examples), "```"))
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
        yield table(CLI_HEADER, rows)


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


# ---------------------------------------------------------------------------------------------- .env.example


def env_example() -> str:
    """The text of .env.example."""
    blocks = {"general": list(_general())}
    comments = knob_comments()
    for section, field in Settings.model_fields.items():
        if is_section(field):
            blocks[section] = [
                _entry(variable_of(f"{section}.{name}"), _env_value(value), comments[section, name])
                for name, value in knob_defaults()[section].items()
            ]
    blocks["secrets"] = [
        _entry(variable_name(name, secret), secret.default, secret.description or FROM_SETUP)
        for name, secret in Secrets.model_fields.items()
    ]
    texts = ["\n".join([f"# --- {name}", *entries]) for name, entries in blocks.items()]
    return "\n\n".join([ENV_HEADER, *texts]) + "\n"


def _general() -> Iterator[str]:
    """Entries of the variables that belong to no section."""
    yield _entry("JAVA_HOME", "", JAVA_HOME)
    for name, field in Settings.model_fields.items():
        if not is_section(field) and name not in NOT_SET_BY_USERS:
            value = "var" if name == "home" else knob_defaults().get(name, "")
            yield _entry(variable_name(name, field), str(value), field.description or "")


def _entry(variable: str, value: str, meaning: str) -> str:
    return f"# {meaning}\n#{variable}={value}"


def _env_value(value: object) -> str:
    """A default as the environment spells it: lists and maps as JSON in single quotes, as are words."""
    if isinstance(value, list | dict):
        return f"'{json.dumps(value)}'"
    if isinstance(value, str) and " " in value:
        return shlex.quote(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
