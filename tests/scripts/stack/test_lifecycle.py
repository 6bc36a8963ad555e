"""`up` and `down` of one home at the same time, and `up` with other ports than those of the running stack."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conf.settings import REPO, settings
from scripts.stack import lifecycle, ports, supervision
from scripts.stack.lifecycle import StackError
from scripts.stack.throwaway import Stack, free_ports
from tests.support.waiting import eventually


def begin(stack: Stack, verb: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", verb],
        cwd=REPO,
        env=stack.env,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_down_ends_an_up_that_waits(tmp_path: Path):
    stack = Stack(tmp_path / "home")
    waiting = begin(stack, "up")
    try:
        eventually(lambda: stack.pid("supervisord"))
        stack.stop()
        assert waiting.wait(120) == 4
        assert "./run.sh down" in waiting.communicate()[1]
        assert stack.pid("supervisord") is None
    finally:
        waiting.kill()
        stack.stop()


def test_second_command_names_the_one_that_it_waits_for(tmp_path: Path):
    stack = Stack(tmp_path / "home")
    (tmp_path / "home" / "run").mkdir(parents=True)
    with (tmp_path / "home" / "run" / "up.lock").open("w") as lock:
        lock.write(f"up (pid {os.getpid()})")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = begin(stack, "down")
        assert second.stderr is not None
        assert f"another ./run.sh up (pid {os.getpid()}) is under way" in second.stderr.readline()
        assert second.poll() is None
    assert second.wait(120) == 0


def test_other_ports_are_refused_and_a_full_disk_is_warned_of(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lifecycle, "DISK_MIN_GB", 1e9)
    before, after, *others = free_ports(5)
    monkeypatch.setenv("LUMBUNG_KAFKA__BOOTSTRAP", f"127.0.0.1:{others[0]}")
    monkeypatch.setenv("LUMBUNG_KAFKA__CONTROLLER_PORT", str(others[1]))
    monkeypatch.setenv("LUMBUNG_MQTT__PORT", str(others[2]))
    monkeypatch.setenv("LUMBUNG_API__PORT", str(before))
    settings.cache_clear()
    try:
        assert lifecycle._start_daemon()
        assert not lifecycle._start_daemon()
        monkeypatch.setenv("LUMBUNG_API__PORT", str(after))
        settings.cache_clear()
        with pytest.raises(StackError, match=rf"{before} for API, but api\.port is now {after}") as refused:
            lifecycle.up()
        assert refused.value.code == 5
        assert "make room, or move LUMBUNG_HOME" in capsys.readouterr().err
    finally:
        lifecycle.down()
    assert ports.changes() == [] and supervision.processes() == {}
