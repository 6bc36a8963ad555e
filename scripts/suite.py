"""Runs of the tests: a failure is judged once more in the open, and tests are repeated beside busy loops."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from conf.settings import REPO, child_environment
from scripts.console import console

MOST_JUDGED_AGAIN = 5  # more failures have one cause, and it is not chance
KNOWN_FLAKY = REPO / "tests" / "flaky.yml"
LONGEST_KNOWN = timedelta(days=14)
SOME_FAILED = 1  # exit code of pytest; larger ones: interrupted, internal error, wrong options, no tests
# It ends with the process that started it, however that one ends.
BUSY_LOOP = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"


class Report(BaseModel):
    """Outcomes of a run, as tests/support/plugins/report.py writes them; `failed` has each test's output."""

    model_config = ConfigDict(extra="forbid")
    passed: set[str]
    failed: dict[str, str]
    skipped: dict[str, int]
    not_collected: list[str]
    crashed: list[str]


class RunVerdict(BaseModel):
    """Whether a run passes, and what has to be shown at its end."""

    fault: str | None = None
    flaky: list[str] = Field(default_factory=list)
    skipped: dict[str, int] = Field(default_factory=dict)


class KnownFlaky(BaseModel):
    """A test that once failed and passed at once, the day on which it did and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    date: date
    cause: str = Field(min_length=10)


def judged(options: Sequence[str], workers: int, again: bool = True) -> RunVerdict:
    """Run pytest. At most five failures run once more by themselves; those that fail again fail the run.

    More failures, an error at collection and a crash are never judged again. Not `again`: no failure is.
    """
    with tempfile.TemporaryDirectory() as folder:
        shared = [*options, "-o", f"cache_dir={folder}/cache"]
        code, first = run_pytest(Path(folder, "first.json"), [*shared, "-n", str(workers)])
        if code == 0 and first:
            return RunVerdict(skipped=first.skipped)
        if code != SOME_FAILED or first is None or first.not_collected or first.crashed:
            return RunVerdict(fault=f"pytest ended with exit code {code}")
        names = list(first.failed)
        if not again or len(names) > MOST_JUDGED_AGAIN:
            return RunVerdict(fault=f"{len(names)} tests failed")
        console.print(f"{len(names)} failed, judged once more with nothing beside them", style="bold")
        write_failures(Path(folder, "cache"), names)
        _, second = run_pytest(
            Path(folder, "second.json"),
            [*shared, "-n", "0", "--last-failed", "--last-failed-no-failures", "none"],
        )
    passed = second.passed if second else set()
    refailed = second.failed if second else {}
    flaky = [name for name in names if name in passed and name not in refailed]
    for name in flaky:
        console.print(f"FLAKY {name}", style="yellow", markup=False, soft_wrap=True)
        console.print(f"first run:\n{first.failed[name]}", markup=False, highlight=False, soft_wrap=True)
        console.print("second run: passed, its output is above", markup=False)
    failed = len(names) - len(flaky)
    fault = f"{failed} tests failed twice" if failed else None
    return RunVerdict(fault=fault, flaky=flaky, skipped=first.skipped)


def run_pytest(file: Path, options: Sequence[str]) -> tuple[int, Report | None]:
    """Exit code and outcomes; None when pytest ended before it wrote them."""
    command = [sys.executable, "-m", "pytest", *options, "--report", str(file)]
    console.print(f"$ {' '.join(command[2:-2])}", style="bold", markup=False, soft_wrap=True)
    done = subprocess.run(command, cwd=REPO, env=child_environment(), stdin=subprocess.DEVNULL)
    if not file.exists():
        return done.returncode, None
    return done.returncode, Report.model_validate_json(file.read_bytes())


def write_failures(cache: Path, names: Sequence[str]) -> None:
    """Put what `--last-failed` selects where pytest reads it: workers report names with their group."""
    file = cache / "v" / "cache" / "lastfailed"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict.fromkeys(names, True)), encoding="utf-8")


def known_flaky() -> list[KnownFlaky]:
    """The entries of tests/flaky.yml."""
    return TypeAdapter(list[KnownFlaky]).validate_python(
        yaml.safe_load(KNOWN_FLAKY.read_text(encoding="utf-8"))
    )


def overdue(entries: Sequence[KnownFlaky], today: date) -> list[str]:
    """Names that are known for more than 14 days: time to mend the test or the product."""
    return [entry.name for entry in entries if today - entry.date > LONGEST_KNOWN]


def repeated(names: Sequence[str], times: int, load: int, options: Sequence[str]) -> int:
    """Run tests `times` times, each in a new process, beside `load` busy loops; returns how many failed."""
    failures = 0
    with busy_loops(load), tempfile.TemporaryDirectory() as folder:
        for number in range(1, times + 1):
            arguments = [*options, *names, "-n", "0", "-q", "--no-header", "--durations=0"]
            code, _ = run_pytest(Path(folder, f"{number}.json"), [*arguments, "-p", "no:cacheprovider"])
            failures += code != 0
            console.print(f"run {number} of {times}: {failures} failed so far", style="bold")
    return failures


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Processes that each keep a core busy, until the block ends."""
    command = [sys.executable, "-c", BUSY_LOOP, str(os.getpid())]
    loops = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
