"""When the thread of incremental gold refreshes: at once after a batch, then not before its pause is over."""

import threading
from pathlib import Path

import pytest

from streaming_jobs.gold.incremental import IncrementalGold
from tests.support.waiting import eventually

LONG_SECONDS = 3600.0


def test_batch_is_followed_at_once_and_the_next_ones_after_the_pause(
    lake: Path, monkeypatch: pytest.MonkeyPatch
):
    turns: list[str] = []

    class Noted(threading.Event):
        """An event that notes what the thread waits for."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def wait(self, timeout: float | None = None) -> bool:
            turns.append(f"{self.name} {timeout:g}")
            return super().wait(timeout)

    monkeypatch.setattr(IncrementalGold, "refresh", lambda self: turns.append("refresh"))
    thread = IncrementalGold(LONG_SECONDS)
    thread._news, thread._stopping = Noted("news"), Noted("pause")
    thread.start()
    eventually(lambda: turns == ["news 3600"])
    thread.notify()
    eventually(lambda: turns == ["news 3600", "refresh", "pause 3600"])
    thread.notify()  # within the pause
    thread.stop()
    assert turns == ["news 3600", "refresh", "pause 3600", "refresh"], "taken up at the stop, and not before"
    assert not thread.is_alive() and thread.failure is None
