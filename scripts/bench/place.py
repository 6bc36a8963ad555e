"""A home and a broker of its own for a bench, gone afterwards."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conf.settings import REPO
from tests.integration.stack import Stack


@contextmanager
def broker_only() -> Iterator[Stack]:
    """A stack of which only the broker runs."""
    home = Path(tempfile.mkdtemp(prefix="lumbung-bench-"))
    stack = Stack(home)
    command = [sys.executable, "-m", "scripts.broker"]
    broker = subprocess.Popen(command, cwd=REPO, env=stack.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield stack
    finally:
        broker.terminate()
        broker.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def run_module(stack: Stack, module: str, *arguments: str, timeout: float = 900) -> None:
    """Run a module of the product against the stack, its words to stderr. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=REPO, env=stack.env, stdout=sys.stderr, check=True, timeout=timeout)
