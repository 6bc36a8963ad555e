"""`test`: style checks, type checks and tests."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO, child_environment, settings
from scripts.console import console, fail, new_app
from scripts.suite import judged, known_flaky, overdue, repeated

app = new_app(None)
PYTHON = [sys.executable, "-m"]
CHECKS = (
    [*PYTHON, "ruff", "check", "."],
    [*PYTHON, "ruff", "format", "--check", "."],
    [*PYTHON, "mypy"],
)
# On two cores: half of the time tests wait for processes and timers, those of --fast hardly ever.
WORKERS = 3
FAST_WORKERS = 2
LONGEST_SEARCH_SECONDS = 1800


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
        bool,
        typer.Option(
            "--slow",
            help="only what the default leaves out: Spark, LSTM, Prophet, long chaos, random search",
        ),
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--rerun/--no-rerun", envvar="LUMBUNG_TEST_RERUN", help="judge at most five failures once more"
        ),
    ] = True,
    deflake: Annotated[
        list[str] | None,
        typer.Option("--deflake", metavar="NAME", help="run this file or test many times beside busy loops"),
    ] = None,
    times: Annotated[int, typer.Option("--times", min=1, help="with --deflake: how often")] = 20,
    at: Annotated[
        datetime | None,
        typer.Option("--at", metavar="DATE", help="with --fast: the clock starts there, in UTC"),
    ] = None,
    load: Annotated[int, typer.Option("--load", min=0, help="with --deflake: how many busy loops")] = 2,
) -> None:
    """Run style checks, type checks and all tests; with paths or -k only those tests."""
    if fast and long_runs:
        fail("--fast and --slow run different tests: give one of them", ExitCode.USAGE)
    if at and not fast:
        fail("--at needs --fast: the other tests start programs with clocks of their own", ExitCode.USAGE)
    options = [*(["--fast"] if fast else []), *(["--slow"] if long_runs else [])]
    if deflake:
        failures = repeated(in_folder(map(Path, deflake)), times, load, options)
        if failures:
            fail(f"{failures} of {times} runs failed", ExitCode.FAILED)
        console.print(f"{times} of {times} runs passed beside {load} busy loops")
        return
    if paths or expression:
        options += ["-k", expression] if expression else []
        if not succeeds([*PYTHON, "pytest", *options, *in_folder(paths or [])]):
            fail("failed: pytest", ExitCode.FAILED)
        console.print("all passed")
        return
    options += ["--at", at.isoformat()] if at else []
    if long_runs:  # a search whose examples the printed seed draws again
        options += [f"--hypothesis-seed={secrets.randbelow(2**32)}", f"--timeout={LONGEST_SEARCH_SECONDS}"]
    whole_suite(options, FAST_WORKERS if fast else WORKERS, again)


def whole_suite(options: list[str], workers: int, again: bool) -> None:
    """Style and types, then all tests; ends the process with 1 when one of them does not pass."""
    for command in CHECKS:
        began = time.monotonic()
        if not succeeds(command):
            fail(f"failed: {' '.join(command[2:])}", ExitCode.FAILED)
        console.print(f"  {time.monotonic() - began:.0f} s", style="dim")
    known = known_flaky()
    faults = [f"{name} is in flaky.yml for more than 14 days" for name in overdue(known, date.today())]
    verdict = judged(options, workers, again)
    faults += [verdict.fault] if verdict.fault else []
    unknown = set(verdict.flaky) - {entry.name for entry in known}
    for name in sorted(unknown):
        console.print(f"add to tests/flaky.yml, with today and the cause: {name}", markup=False)
    if faults:
        fail(f"failed: {'; '.join(faults)}", ExitCode.FAILED)
    flaky = f"; {len(verdict.flaky)} FLAKY" if verdict.flaky else ""
    reasons = [f"{count} × {reason}" for reason, count in sorted(verdict.skipped.items())]
    skipped = f"; skipped: {', '.join(reasons)}" if reasons else "; nothing was skipped"
    console.print(f"all passed{flaky}{skipped}", markup=False, soft_wrap=True)


def in_folder(names: Iterable[Path]) -> list[str]:
    """Paths or names of tests, relative to the folder in which the command was typed, sorted.

    Pytest loses fixtures of a folder that is named twice with another one in between (its issue 14635).
    """
    return sorted(str(settings().called_from / name) for name in names)


def succeeds(command: list[str]) -> bool:
    """Whether the command passes; its output is shown."""
    console.print(f"$ {' '.join(command[2:])}", style="bold", markup=False)
    done = subprocess.run(command, cwd=REPO, env=child_environment(), stdin=subprocess.DEVNULL)
    return done.returncode == 0
