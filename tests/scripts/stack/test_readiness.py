"""Whether a service is ready: its own process listens, and the broker is the one of this home."""

import configparser
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from scripts.commands.status import services
from scripts.console import Steps
from scripts.stack import lifecycle, readiness, supervision
from scripts.stack.services import SUPERVISOR_FILE, modules
from scripts.stack.throwaway import free_ports
from tests.conftest import Broker

RUNNING = {"statename": "RUNNING", "start": 0, "now": 9}


@pytest.fixture
def bystander() -> Iterator[int]:
    """The pid of a process that listens nowhere."""
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: S607
        yield process.pid
        process.kill()


def test_broker_of_another_home_is_not_ready(real_broker: Broker, home: Path, bystander: int):
    """Two checkouts with the same ports: the second must not write into the broker of the first."""
    own = {**RUNNING, "pid": real_broker.process.pid}
    assert not readiness.ready("broker", own)  # this home has no broker yet
    shutil.copytree(real_broker.stack.home / "kafka", home / "kafka", ignore=shutil.ignore_patterns("data"))
    (home / "kafka" / "data").mkdir()
    properties = (real_broker.stack.home / "kafka" / "data" / "meta.properties").read_text()
    (home / "kafka" / "data" / "meta.properties").write_text(properties)
    assert readiness.ready("broker", own)
    assert not readiness.ready("broker", {**own, "pid": bystander})
    other = properties.replace("cluster.id=", "cluster.id=other")
    (home / "kafka" / "data" / "meta.properties").write_text(other)
    assert not readiness.ready("broker", own)


def test_listener_of_another_process_makes_no_service_ready(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch, bystander: int
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("LUMBUNG_MQTT__PORT", str(port))
    settings.cache_clear()
    with socket.create_server(("127.0.0.1", port)):
        assert readiness.ready("gateway", {**RUNNING, "pid": os.getpid()})
        assert not readiness.ready("gateway", {**RUNNING, "pid": bystander})


def test_up_with_a_broker_of_another_home_names_its_process(real_broker: Broker, home: Path):
    """The other stack took the port after the check at the start of `up`."""
    supervision.start_daemon()
    try:
        with pytest.raises(lifecycle.StackError) as refused, Steps() as steps:
            lifecycle._begin(["broker"], steps)
            lifecycle._wait(["broker"], steps)
        assert refused.value.code == ExitCode.MISSING
        assert f"held by pid {real_broker.process.pid} (java)" in str(refused.value)
        assert "LUMBUNG_KAFKA__BOOTSTRAP" in str(refused.value)
    finally:
        lifecycle.down()


def log_line(minutes_ago: float, text: str) -> str:
    time = datetime.now(UTC).astimezone() - timedelta(minutes=minutes_ago)
    return f"{time:%Y-%m-%d %H:%M:%S},000 {text}\n"


def test_service_that_ends_again_and_again_is_restarting(lone_home: Path):
    log = lone_home / "log" / "supervisord.log"
    log.parent.mkdir()
    ended = "WARN exited: broker (exit status 1; not expected)"
    log.write_text(
        log_line(4, ended)
        + log_line(3, "INFO supervisord started with pid 7")
        + log_line(3, "INFO exited: stream (exit status 0; expected)")
        + "".join(log_line(minutes, ended) for minutes in (2.9, 2, 1))
        + log_line(1, "WARN exited: api (terminated by SIGKILL; not expected)")
    )
    assert {name: supervision.restarts(name).count for name in ("broker", "stream", "api")} == {
        "broker": 3,
        "stream": 0,
        "api": 1,
    }
    assert supervision.restarts("broker").again_and_again
    assert not supervision.restarts("api").again_and_again
    states = {service.name: (service.state, service.restarts) for service in services()}
    assert (states["broker"], states["api"]) == (("restarting", 3), ("down", 1))


def test_service_that_cannot_start_is_tried_without_end_and_restarting(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch
):
    programs = configparser.RawConfigParser()
    programs.read(SUPERVISOR_FILE)
    retries = {name: programs.getint(f"program:{name}", "startretries") for name in modules()}
    assert min(retries.values()) >= 1_000_000, "one a second, with growing pauses: for years"
    waiting = {"pid": 0, "statename": "BACKOFF"}
    monkeypatch.setattr(supervision, "processes", lambda: {"stream": waiting})
    states = {service.name: service.state for service in services()}
    assert (states["stream"], states["api"]) == ("restarting", "down")
