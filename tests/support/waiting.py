"""How tests wait: for a condition, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
PAUSE_SECONDS = 0.03


class _Waiting:
    """The last thing that a condition showed, and when to give up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self.last: object = "nothing"

    def look(self, condition: Callable[[], T], passing: tuple[type[BaseException], ...]) -> T | None:
        over = time.monotonic() >= self._end  # decided before the last look: a busy machine gets one more
        try:
            value = condition()
        except (AssertionError, *passing) as error:
            self.last, value = f"{type(error).__name__}: {error}", None
        else:
            self.last = value
            if value:
                return value
        if over:
            pytest.fail(f"not within {self._seconds:g} s; seen last: {self.last!r}"[:2000])
        return None


def eventually(
    condition: Callable[[], T], seconds: float = 60, passing: tuple[type[BaseException], ...] = ()
) -> T:
    """The first true value of the condition. Fails with what it saw last after `seconds`.

    A failed assertion, or an exception named in `passing`, counts as not yet. `seconds` only bounds a test
    that fails: give it the time of a machine that is ten times slower.
    """
    waiting = _Waiting(seconds)
    while not (value := waiting.look(condition, passing)):
        time.sleep(PAUSE_SECONDS)
    return value


async def eventually_async(
    condition: Callable[[], T], seconds: float = 60, passing: tuple[type[BaseException], ...] = ()
) -> T:
    """`eventually` for a test within an event loop, which goes on meanwhile."""
    waiting = _Waiting(seconds)
    while not (value := waiting.look(condition, passing)):
        await asyncio.sleep(PAUSE_SECONDS)
    return value
