"""`up`, `status` and `down` of the real stack: idempotent, safe, and nothing keeps running after `down`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conf.settings import REPO
from lakehouse.io.kafka import is_open
from scripts.stack.throwaway import Stack

SERVICES = (
    "broker",
    "stream",
    "background_gold",
    "gateway",
    "folder_watch",
    "alert_worker",
    "trainer",
    "api",
)
pytestmark = pytest.mark.timeout(300)


def running_processes(stack: Stack) -> list[str]:
    """Command lines of processes of this stack."""
    commands = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get("STACK_HOME") == str(stack.home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                commands.append(" ".join(process.cmdline())[:80])
        except psutil.Error:
            continue
    return commands


def test_every_service_is_ready(stack: Stack):
    done = stack.run("status", "--json")
    status = json.loads(done.stdout)
    assert done.returncode == 0, status
    assert {part["name"]: part["state"] for part in status["services"]} == dict.fromkeys(SERVICES, "ready")


def test_files_of_the_home_are_readable_by_their_user_only(stack: Stack):
    copied = stack.home / "spark"  # jars, which are public
    files = [path for path in stack.home.rglob("*") if copied not in path.parents and not path.is_symlink()]
    assert {path.name for path in files} >= {"lake", "state", "log", "broker.log", "_delta_log", "checkpoint"}
    assert [str(path) for path in files if path.lstat().st_mode & 0o077 and not path.is_socket()] == []


def test_second_up_changes_nothing(stack: Stack):
    before = {name: stack.pid(name) for name in SERVICES}
    stack.start()
    assert {name: stack.pid(name) for name in SERVICES} == before


def test_second_stream_exits_with_the_pid_of_the_first(stack: Stack):
    command = [sys.executable, "-m", "streaming_jobs.run"]
    done = subprocess.run(command, cwd=REPO, env=stack.env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 5
    assert str(stack.pid("stream")) in done.stderr + done.stdout


@pytest.mark.slow
def test_idle_stack_uses_an_eighth_of_a_core_at_most(stack: Stack):
    """Measured 5 to 9 % a minute after the last event; 25 to 40 % when Kafka was asked every 10 ms."""
    stack.wait_drained(120)
    time.sleep(60)

    def used() -> float:
        supervisor = psutil.Process(stack.pid("supervisord"))
        parts = [supervisor, *supervisor.children(recursive=True)]
        return sum(sum(part.cpu_times()[:2]) for part in parts)

    before = used()
    time.sleep(60)
    assert (used() - before) / 60 <= 0.125


def test_killed_service_is_started_again(stack: Stack):
    before = stack.kill("folder_watch")
    end = time.monotonic() + 20
    while stack.pid("folder_watch") in (None, before) and time.monotonic() < end:
        time.sleep(0.2)
    assert stack.pid("folder_watch") not in (None, before)


def test_status_names_the_service_that_is_down(stack: Stack):
    control = [
        sys.executable,
        "-m",
        "supervisor.supervisorctl",
        "-s",
        f"unix://{stack.home / 'run' / 'supervisor.sock'}",
    ]
    subprocess.run([*control, "stop", "gateway"], check=True, capture_output=True)
    done = stack.run("status", "--json")
    states = {part["name"]: part["state"] for part in json.loads(done.stdout)["services"]}
    assert (done.returncode, states) == (4, {**dict.fromkeys(SERVICES, "ready"), "gateway": "down"})
    stack.start()
    assert stack.run("status").returncode == 0


def test_down_leaves_no_process_and_no_port_and_up_starts_again(stack: Stack):
    begun = time.monotonic()
    stack.stop()
    assert time.monotonic() - begun <= 15
    assert running_processes(stack) == []
    assert not [port for port in (stack.api_port, stack.mqtt_port) if is_open("127.0.0.1", port)]
    assert stack.run("status").returncode == 4
    stack.stop()  # a second time
    stack.start()


def test_down_ends_what_a_killed_supervisor_left_running(stack: Stack):
    os.kill(stack.pid("supervisord"), signal.SIGKILL)
    assert running_processes(stack)
    stack.stop()
    assert running_processes(stack) == []


def test_port_in_use_is_named_with_its_holder(tmp_path: Path):
    other = Stack(tmp_path / "home")
    with socket.create_server(("127.0.0.1", other.api_port)):
        done = other.run("up")
    assert done.returncode == 3
    assert f"port {other.api_port}" in done.stderr and f"pid {os.getpid()}" in done.stderr
    assert running_processes(other) == []
