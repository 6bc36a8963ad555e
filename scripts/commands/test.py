"""`test`: style checks, type checks and tests."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO, child_environment, settings
from scripts.console import console, fail, new_app

app = new_app(None)
PYTHON = [sys.executable, "-m"]
STYLE = ([*PYTHON, "ruff", "check", "."], [*PYTHON, "ruff", "format", "--check", "."])
TYPES = [*PYTHON, "mypy"]
# On two cores: half of the time tests wait for processes and timers, those of --fast hardly ever.
WORKERS = 3
FAST_WORKERS = 2


@app.command()
def test(
    paths: Annotated[list[Path] | None, typer.Argument(help="run only pytest, only on these paths")] = None,
    expression: Annotated[
        str | None, typer.Option("-k", metavar="EXPR", help="run only pytest, only tests that match")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="skip tests with a JVM, a browser or training")
    ] = False,
    long_runs: Annotated[
        bool, typer.Option("--slow", help="add the stream on Spark, LSTM, Prophet and long chaos runs")
    ] = False,
) -> None:
    """Run style checks, type checks and all tests; with paths or -k only those tests."""
    if fast and long_runs:
        fail("--fast skips what --slow adds: give one of them", ExitCode.USAGE)
    options = [*(["--fast"] if fast else []), *(["--slow"] if long_runs else [])]
    if paths or expression:
        chosen = [*(str(settings().called_from / path) for path in paths or [])]
        failed = run([*PYTHON, "pytest", *options, *(["-k", expression] if expression else []), *chosen])
    else:
        types = subprocess.Popen(
            TYPES,
            cwd=REPO,
            env=child_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        failed = [name for command in STYLE for name in run(command)]
        failed += run([*PYTHON, "pytest", "-n", str(FAST_WORKERS if fast else WORKERS), *options])
        failed += finish(types)
    if failed:
        fail(f"failed: {'; '.join(failed)}", ExitCode.FAILED)
    console.print("all passed")


def run(command: list[str]) -> list[str]:
    """The command's text if it fails."""
    name = " ".join(command[2:])
    console.print(f"$ {name}", style="bold", markup=False)
    done = subprocess.run(command, cwd=REPO, env=child_environment(), stdin=subprocess.DEVNULL)
    return [name] if done.returncode else []


def finish(types: subprocess.Popen[str]) -> list[str]:
    """Wait for the type checker, which runs during the tests, and show what it found."""
    output, _ = types.communicate()
    name = " ".join(TYPES[2:])
    console.print(f"$ {name}\n{output.rstrip()}", markup=False, highlight=False)
    return [name] if types.returncode else []
