"""One stack for all tests of this folder: published sets first, then poison, then tests that kill parts."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.throwaway import Stack

# Files are complete when they appear.
KNOBS = {"LUMBUNG_LANDING__SETTLE_SECONDS": "0.3"}


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """A running stack below a path with a space in it.

    Its stream runs on Spark with `--slow`; else on the embedded engine, which hands over to the same code and
    needs no JVM at each of the starts.
    """
    engine = "spark" if pytestconfig.option.slow else "embedded"
    running = Stack(
        Path(tempfile.mkdtemp(prefix="lumbung ")) / "home", **KNOBS, LUMBUNG_STREAM__ENGINE=engine
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(running.home.parent)
