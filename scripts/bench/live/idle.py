"""CPU time of a stack without events and requests, per process."""

import re
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from scripts.bench.harness import ENGINES, run_module, temporary_stack
from scripts.stack.patience import process_tree

MEANS = "percent of a core in the minute after a minute without events; goal: 5 in sum"
GOAL_PERCENT = 5.0
EVENTS = 2_000  # so that every table and job has had something to do
STALLED_SECONDS = 120.0
JAVA_CLASS = re.compile(r"(\w+\.)+[A-Z]\w*")


def measure(rest_seconds: float = 60, idle_seconds: float = 60) -> dict[str, object]:
    """Percent of a core per engine and process, measured for `idle_seconds` after `rest_seconds` of rest."""
    return {
        "goal_percent": GOAL_PERCENT,
        **{engine: _measure(engine, rest_seconds, idle_seconds) for engine in ENGINES},
    }


def _measure(engine: str, rest_seconds: float, idle_seconds: float) -> dict[str, float]:
    with temporary_stack(LUMBUNG_STREAM__ENGINE=engine) as stack, stack:
        run_module(stack, "scripts.bench.events", str(EVENTS))
        stack.wait_drained(STALLED_SECONDS)
        time.sleep(rest_seconds)
        root = stack.pid("supervisord")
        before = cpu_by_process(root)
        time.sleep(idle_seconds)
        after = cpu_by_process(root)
    percent = {name: (after[name] - before.get(name, 0.0)) / idle_seconds * 100 for name in after}
    ordered = sorted(percent, key=percent.__getitem__, reverse=True)
    return {name: round(percent[name], 2) for name in ordered} | {"sum": round(sum(percent.values()), 2)}


def cpu_by_process(root: int | None) -> dict[str, float]:
    """Module or Java class of each process below `root` -> CPU seconds since its start."""
    used: defaultdict[str, float] = defaultdict(float)
    for process in process_tree(root):
        with suppress(psutil.Error):
            used[program(process.cmdline())] += sum(process.cpu_times()[:2])
    return dict(used)


def program(command: list[str]) -> str:
    """What a command line runs: the module after -m, else the first Java class, else the program's name."""
    if "-m" in command:
        return command[command.index("-m") + 1]
    return next(filter(JAVA_CLASS.fullmatch, command[1:]), Path(command[0]).name)
