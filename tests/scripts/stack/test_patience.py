"""A slow start is waited for while it makes progress; what stands still ends the wait."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from conf.runtime.exit_codes import ExitCode
from scripts.console import Steps
from scripts.stack import lifecycle
from scripts.stack.patience import Patience, cpu_seconds, stream_signs
from tests.support.waiting import eventually


class Clock:
    """Advances by ten seconds a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A service that is ready after 20 looks, 200 s; the test says when its log grows."""
    looks = [0]
    info = {"api": {"statename": "STARTING", "pid": 7}}

    def ready(name: str, info: Any) -> bool:
        looks[0] += 1
        return looks[0] > 20

    monkeypatch.setattr(lifecycle.readiness, "ready", ready)
    monkeypatch.setattr(lifecycle.supervision, "processes", lambda: info)
    monkeypatch.setattr(lifecycle.supervision, "start", lambda name: None)
    monkeypatch.setattr(lifecycle, "LOOK_SECONDS", 0)
    monkeypatch.setattr(lifecycle, "_check_ports", lambda name, pid: None)  # others may hold them
    monkeypatch.setattr(lifecycle, "Patience", lambda seconds: Patience(seconds, Clock()))
    yield looks


def test_start_of_200_s_is_no_failure_while_it_makes_progress(
    starting: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "service_signs", lambda name, pid: starting[0] // 3)
    with Steps() as steps:
        lifecycle._begin(["api"], steps)
        lifecycle._wait(["api"], steps)


def test_start_without_progress_ends_with_the_exit_code_of_a_time_limit(
    starting: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "service_signs", lambda name, pid: None)
    with (
        Steps() as steps,
        pytest.raises(lifecycle.StackError, match="without progress for 40 s: api") as error,
    ):
        lifecycle._begin(["api"], steps)
        lifecycle._wait(["api"], steps)
    assert error.value.code == ExitCode.TIME_LIMIT and starting[0] < 10


def test_process_that_works_for_ever_is_not_waited_for_for_ever() -> None:
    patience = Patience(40, Clock(), longest=300)
    assert next(look for look in range(100) if patience.spent(look)) == 30


def test_cpu_time_of_children_is_a_sign_of_progress() -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'while True: pass'])"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; {child}.wait()"], start_new_session=True
    )
    try:
        own = psutil.Process(parent.pid)
        eventually(lambda: cpu_seconds(parent.pid) > sum(own.cpu_times()[:2]))
    finally:
        os.killpg(parent.pid, 9)
        parent.wait()
    assert cpu_seconds(parent.pid) == 0


def test_long_batch_of_a_working_stream_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, used = Clock(), [0]
    monkeypatch.setattr("scripts.stack.patience.cpu_seconds", lambda pid: used[0])
    patience = Patience(120, clock)
    for _ in range(60):  # 600 s, in which the number of waiting events does not change
        used[0] += 5
        assert not patience.spent(stream_signs(76_882, 7))
    idle = (patience.spent(stream_signs(76_882, 7)) for _ in range(100))
    assert next(look for look, spent in enumerate(idle) if spent) <= 13
