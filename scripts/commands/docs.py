"""`docs`: docs/reference and .env.example, rendered from contracts, knobs, commands and API."""

from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO
from scripts.commands.cli_page import cli_page
from scripts.commands.env_example import env_example
from scripts.commands.reference_pages import (
    api_page,
    exit_codes_page,
    knobs_page,
    rules_page,
    tables_page,
)
from scripts.console import console, fail, new_app

app = new_app(None)
REFERENCE = REPO / "docs" / "reference"
ENV_EXAMPLE = ".env.example"
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
    return [name for name, text in pages().items() if _content(_file(name, folder)) != text]


def _file(name: str, folder: Path | None) -> Path:
    return (folder or (REPO if name == ENV_EXAMPLE else REFERENCE)) / name


def _content(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None
