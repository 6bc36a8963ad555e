"""`up`, `status` and `down` of the real stack: idempotent, safe, and nothing keeps running after `down`."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from confluent_kafka import Producer

from conf.settings import REPO
from lakehouse.io.identity.devices import Devices
from lakehouse.io.kafka import is_open
from scripts.stack.throwaway import Stack
from tests.support.identity.devices import SECRET, Device
from tests.support.identity.people import PASSWORD, add_person, in_store
from tests.support.waiting import eventually

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


@pytest.fixture(scope="module")
def secrets_in_use(stack: Stack) -> dict[str, str]:
    """Secrets of this stack: its keys, and those of a person and a device that have just used it."""
    lines = (stack.home / "secrets.env").read_text().splitlines()
    keys = dict(line.split("=", 1) for line in lines)
    email = "discreet@example.id"
    add_person(stack, email)
    device, claim = in_store(
        stack, lambda database: Devices(database).register("SECRET-1", "PASAR-001", "operator", "test")
    )
    with httpx2.Client(base_url=stack.api_url, timeout=60) as http:
        wrong = {"email": email, "password": "wrong wrong wrong wrong"}
        assert http.post("/api/v1/auth/login", json=wrong).status_code == 401
        signed_in = http.post("/api/v1/auth/login", json=wrong | {"password": PASSWORD}).json()
        claimed = {"device_id": device.device_id, "claim_code": claim.code}
        secret = http.post("/api/auth/device/claim", json=claimed).json()["secret"]
        given = http.post("/api/auth/token", json={"device_id": device.device_id, "secret": secret}).json()
    refused = Device(stack.mqtt_port, device.device_id, "not " + secret, reconnect_on_failure=False)
    refused.close()
    sender = Device(stack.mqtt_port, device.device_id, secret)
    topic = f"lumbung/v1/PASAR-001/{device.device_id}/price"
    assert sender.publish(topic, b'{"commodity": "garam", "price": 11500}')
    sender.close()
    return {
        **{name: key for name, key in keys.items() if key},
        "e-mail": email,
        "password": PASSWORD,
        "wrong password": wrong["password"],
        "hash": "argon2id",
        "access": signed_in["access_token"],
        "refresh": signed_in["refresh_token"],
        "claim": claim.code,
        "secret of a device": secret,
        "token of a device": given["token"],
        "secret of the other devices": SECRET,
        **{f"token of {role}": token for role, token in stack.tokens.items()},
    }


def test_every_service_is_ready(stack: Stack):
    done = stack.run("status", "--json")
    status = json.loads(done.stdout)
    assert done.returncode == 0, status
    assert {part["name"]: part["state"] for part in status["services"]} == dict.fromkeys(SERVICES, "ready")


def test_files_of_the_home_are_readable_by_their_user_only(stack: Stack):
    copied = stack.home / "spark"  # jars, which are public
    files = [path for path in stack.home.rglob("*") if copied not in path.parents and not path.is_symlink()]
    assert {path.name for path in files} >= {"lake", "state", "log", "broker.log", "_delta_log"}
    assert [str(path) for path in files if path.lstat().st_mode & 0o077 and not path.is_socket()] == []


@pytest.mark.usefixtures("secrets_in_use")
def test_second_up_changes_nothing(stack: Stack):
    before = {name: stack.pid(name) for name in SERVICES}
    stack.start()
    assert {name: stack.pid(name) for name in SERVICES} == before


def test_second_stream_exits_with_the_pid_of_the_first(stack: Stack):
    command = [sys.executable, "-m", "streaming_jobs.run"]
    done = subprocess.run(command, cwd=REPO, env=stack.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 5
    assert str(stack.pid("stream")) in done.stderr + done.stdout


def test_killed_service_is_started_again(stack: Stack):
    before = stack.signal("folder_watch", signal.SIGKILL)
    eventually(lambda: stack.pid("folder_watch") not in (None, before))


def reconciled(stack: Stack) -> dict[str, Any]:
    return json.loads(stack.run("reconcile", "--json").stdout)


def send_price(stack: Stack) -> None:
    body = {"market_id": "PASAR-001", "commodity": "garam", "price": 11500}
    headers = {"Authorization": f"Bearer {stack.tokens['central']}"}
    assert httpx2.post(f"{stack.api_url}/ingest", json=body, headers=headers, timeout=60).status_code == 202


def test_reconcile_balances_while_events_keep_arriving(stack: Stack):
    ended = threading.Event()

    def send() -> None:
        producer = Producer({"bootstrap.servers": stack.bootstrap})
        while not ended.wait(0.02):
            producer.produce("lumbung.price", b"{}")
            producer.poll(0)
        producer.flush()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        reports = [reconciled(stack)]

        def has_grown() -> bool:
            reports.append(reconciled(stack))
            return reports[-1]["total"]["rows_in"] > reports[0]["total"]["rows_in"]

        eventually(has_grown, 120)
    finally:
        ended.set()
        sender.join()
    assert [report for report in reports if not report["balanced"]] == []


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
    stack.stop()
    assert running_processes(stack) == []
    assert not [port for port in (stack.api_port, stack.mqtt_port) if is_open("127.0.0.1", port)]
    assert stack.run("status").returncode == 4
    stack.stop()  # a second time
    stack.env["LUMBUNG_STREAM__ENGINE"] = "spark"  # takes over what the other has written
    stack.start()
    before = reconciled(stack)["total"]["silver"]
    send_price(stack)
    eventually(lambda: reconciled(stack)["total"]["silver"] > before, 120)


def test_down_ends_what_a_killed_supervisor_left_running(stack: Stack):
    os.kill(stack.pid("supervisord"), signal.SIGKILL)
    assert running_processes(stack)
    stack.stop()
    assert running_processes(stack) == []


def test_no_log_of_the_stack_holds_a_secret(stack: Stack, secrets_in_use: dict[str, str]):
    """After all the tests above; the stack is down, so nothing is in a buffer."""
    logs = {path.name: path.read_text("utf-8", "replace") for path in stack.home.rglob("*.log*")}
    assert logs.keys() >= {f"{name}.log" for name in SERVICES}
    leaks = [(name, log) for name, secret in secrets_in_use.items() for log in logs if secret in logs[log]]
    assert leaks == []


def test_port_in_use_is_named_with_its_holder(tmp_path: Path):
    other = Stack(tmp_path / "home")
    with socket.create_server(("127.0.0.1", other.api_port)):
        done = other.run("up")
    assert done.returncode == 3
    assert f"port {other.api_port}" in done.stderr and f"pid {os.getpid()}" in done.stderr
    assert running_processes(other) == []
