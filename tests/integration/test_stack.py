"""`up`, `status` and `down` of the real stack: idempotent, refusing what is unsafe, and leaving nothing behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conf.settings import REPO
from scripts.ports import is_open
from tests.integration.stack import Stack

SERVICES = ("broker", "stream", "heavy_gold", "gateway", "folder_watch", "trainer", "api")
pytestmark = pytest.mark.timeout(300)


def left_behind(stack: Stack) -> list[str]:
    """Processes that bear this stack's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STACK_HOME") == str(stack.home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:80])
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    made = Stack(Path(tempfile.mkdtemp(prefix="lumbung ")) / "home")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.home.parent)


def test_everything_is_ready(stack: Stack):
    done = stack.run("status", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0, said
    assert {part["name"]: part["state"] for part in said["services"]} == dict.fromkeys(SERVICES, "ready")


def test_up_again_changes_nothing(stack: Stack):
    before = {name: stack.pid(name) for name in SERVICES}
    stack.start()
    assert {name: stack.pid(name) for name in SERVICES} == before


def test_a_second_stream_refuses_with_the_pid_of_the_first(stack: Stack):
    begun = time.monotonic()
    command = [sys.executable, "-m", "streaming_jobs.run"]
    done = subprocess.run(command, cwd=REPO, env=stack.env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 5
    assert str(stack.pid("stream")) in done.stderr + done.stdout
    assert time.monotonic() - begun < 5


def test_a_killed_service_comes_back(stack: Stack):
    before = stack.kill("folder_watch")
    end = time.monotonic() + 20
    while stack.pid("folder_watch") in (None, before) and time.monotonic() < end:
        time.sleep(0.2)
    assert stack.pid("folder_watch") not in (None, before)


def test_status_tells_what_is_down(stack: Stack):
    control = [sys.executable, "-m", "supervisor.supervisorctl", "-s", f"unix://{stack.home / 'run' / 'supervisor.sock'}"]
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
    assert left_behind(stack) == []
    assert not [port for port in (stack.api_port, stack.mqtt_port) if is_open("127.0.0.1", port)]
    assert stack.run("status").returncode == 4
    stack.stop()  # harmless
    stack.start()


def test_down_sweeps_out_what_a_killed_supervisor_left(stack: Stack):
    os.kill(stack.pid("supervisord"), signal.SIGKILL)
    assert left_behind(stack)
    stack.stop()
    assert left_behind(stack) == []


def test_a_held_port_is_named_with_its_holder(tmp_path: Path):
    other = Stack(tmp_path / "home")
    with socket.create_server(("127.0.0.1", other.api_port)):
        done = other.run("up")
    assert done.returncode == 3
    assert f"port {other.api_port}" in done.stderr and f"pid {os.getpid()}" in done.stderr
    assert left_behind(other) == []
