"""When the thread of incremental gold refreshes: at once after a batch, then not before its pause is over."""

import threading
from pathlib import Path

import pytest

from streaming_jobs.gold.incremental import IncrementalGold

LONG_SECONDS = 3600.0


def test_batch_is_followed_at_once_and_the_next_ones_after_the_pause(
    lake: Path, monkeypatch: pytest.MonkeyPatch
):
    refreshed = threading.Semaphore(0)
    monkeypatch.setattr(IncrementalGold, "refresh", lambda self: refreshed.release())
    thread = IncrementalGold(LONG_SECONDS)
    thread.start()
    assert not refreshed.acquire(timeout=0.2), "nothing has happened"
    thread.notify()
    assert refreshed.acquire(timeout=30)
    thread.notify()
    assert not refreshed.acquire(timeout=0.2), "the pause is not over"
    thread.stop()
    assert refreshed.acquire(timeout=30), "what came last is taken up at the stop"
    assert not thread.is_alive() and thread.failure is None
