"""A temporary home and broker for one bench, and a home for each engine of the stream."""

import copy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from conf.settings import REPO
from scripts.stack.throwaway import Stack

ENGINES = ("spark", "embedded")


@contextmanager
def temporary_stack(**knobs: str) -> Iterator[Stack]:
    """A stack that does not run yet, whose home and the folder around it are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-", ignore_cleanup_errors=True) as folder:
        yield Stack(Path(folder, "home"), **knobs)


@contextmanager
def running(
    stack: Stack, module: str, output: IO[str] | int = sys.stderr
) -> Iterator[subprocess.Popen[bytes]]:
    """Set up the home of a stack, and run a module of the product against it while the block runs."""
    run_module(stack, "scripts.stack.secrets_file")
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(command, cwd=REPO, env=stack.env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def broker_only() -> Iterator[Stack]:
    """Yield a stack of which only the broker runs; its folder is deleted afterwards."""
    with temporary_stack() as stack, running(stack, "scripts.stack.broker", subprocess.DEVNULL):
        yield stack


def with_engine(stack: Stack, engine: str) -> Stack:
    """Another home on the broker of `stack`, whose stream has that engine."""
    other = copy.copy(stack)
    other.home = stack.home / engine
    other.env = stack.env | {"LUMBUNG_HOME": str(other.home), "LUMBUNG_STREAM__ENGINE": engine}
    run_module(other, "scripts.stack.secrets_file")
    return other


def run_module(stack: Stack, module: str, *arguments: str, timeout: float = 900) -> None:
    """Run a module of the product against the stack; its output goes to stderr.

    Raises CalledProcessError when the module fails, TimeoutExpired after `timeout` seconds.
    """
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=REPO, env=stack.env, stdout=sys.stderr, check=True, timeout=timeout)
