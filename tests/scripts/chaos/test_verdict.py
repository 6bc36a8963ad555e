"""The verdict of chaos separates what is different from what took too long."""

import subprocess
from collections.abc import Callable

import pytest

from conf.runtime.exit_codes import ExitCode
from scripts.chaos.__main__ import settled_differences, verdict
from scripts.chaos.doors import DoorRefused
from scripts.stack.patience import Patience, TimedOut
from scripts.stack.throwaway import StackFailed


def raising(error: Exception) -> Callable[[], list[str]]:
    def prove() -> list[str]:
        raise error

    return prove


@pytest.mark.parametrize(
    ("prove", "word", "code"),
    [
        (lambda: [], "PROVEN", ExitCode.DONE),
        (lambda: ["silver.prices: 1 missing"], "DIFFERENT", ExitCode.FAILED),
        (raising(DoorRefused("HTTP 422")), "DIFFERENT", ExitCode.FAILED),
        (raising(TimedOut("not drained")), "TIMED_OUT", ExitCode.TIME_LIMIT),
        (raising(subprocess.TimeoutExpired("up", 1)), "TIMED_OUT", ExitCode.TIME_LIMIT),
        (raising(StackFailed("up ended with 3")), "NOT_RUN", ExitCode.NOT_RUNNING),
    ],
)
def test_time_out_is_not_called_different(prove: Callable[[], list[str]], word: str, code: ExitCode) -> None:
    result = verdict(prove)
    assert (result[0], result[2]) == (word, code) and bool(result[1]) == bool(code)


def test_differences_that_still_change_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.chaos.__main__.COMPARE_SECONDS", 0)
    now = [0.0]

    def compare() -> list[str]:
        now[0] += 50
        return [f"{missing:.0f} missing" for missing in (300 - now[0],) if missing > 0]

    assert settled_differences(compare, Patience(60, lambda: now[0])) == []
    assert settled_differences(lambda: compare() or ["1 missing"], Patience(60, lambda: now[0])) == [
        "1 missing"
    ]
