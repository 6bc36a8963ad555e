"""One stack for all tests of this folder: published sets first, then poison, then tests that kill parts."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.throwaway import Stack

CRASHED = "Fatal Python error"
# Files are complete when they appear.
KNOBS = {"LUMBUNG_LANDING__SETTLE_SECONDS": "0.3"}


def traces_of_crashes(home: Path) -> str:
    """What processes of a stack wrote when they crashed outside Python; empty when none did."""
    logs = {file.name: file.read_text(errors="replace") for file in (home / "log").glob("*.log")}
    return "\n".join(
        f"{name}: {text[text.index(CRASHED) :]}" for name, text in logs.items() if CRASHED in text
    )


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
        crashed = traces_of_crashes(running.home)
        shutil.rmtree(running.home.parent)
        assert not crashed, crashed
