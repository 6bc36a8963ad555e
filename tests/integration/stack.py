"""The real stack in a folder and on ports of its own: for integration tests, chaos and benches."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import psutil

from conf.settings import REPO, child_environment
from scripts.positions import waiting

MODULES = {
    "stream": "streaming_jobs.run",
    "heavy_gold": "streaming_jobs.heavy_gold",
    "trainer": "ml.coordinator",
    "gateway": "producers.mqtt_gateway",
    "folder_watch": "producers.folder_watch",
    "api": "serving_api",
}


class StackFailed(AssertionError):
    """The stack did not do what was asked in time; the text holds its words."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Stack:
    """`start` and `stop` are `up` and `down` of the product; knobs are given as environment, e.g. LUMBUNG_LOG_LEVEL."""

    def __init__(self, home: Path, **knobs: str) -> None:
        kafka, controller, self.api_port, self.mqtt_port = free_ports(4)
        self.home = home
        self.bootstrap = f"127.0.0.1:{kafka}"
        self.env = child_environment(
            LUMBUNG_HOME=str(home),
            LUMBUNG_KAFKA__BOOTSTRAP=self.bootstrap,
            LUMBUNG_KAFKA__CONTROLLER_PORT=str(controller),
            LUMBUNG_API__PORT=str(self.api_port),
            LUMBUNG_MQTT__PORT=str(self.mqtt_port),
            **{"LUMBUNG_TRAINING__WATCH_SECONDS": "3600"} | knobs,  # models are trained where that is what a test is about
        )
        self.env.pop("API_PORT", None)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def lake_root(self) -> str:
        return str(self.home / "lake")

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    @property
    def tokens(self) -> dict[str, str]:
        """Role -> bearer, as `setup` wrote them."""
        lines = (self.home / "secrets.env").read_text(encoding="utf-8").splitlines()
        named = dict(line.split("=", 1) for line in lines)
        return {key.removeprefix("LUMBUNG_TOKEN_").lower(): value for key, value in named.items() if "TOKEN" in key}

    def run(self, *verb: str, timeout: float = 240, quiet: bool = True) -> subprocess.CompletedProcess[str]:
        """One verb of run.sh against this stack."""
        pipe = subprocess.PIPE if quiet else None
        command = [sys.executable, "-m", "scripts.cli", *verb]
        return subprocess.run(
            command,
            cwd=REPO,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=pipe,
            text=True,
            timeout=timeout,
        )

    def start(self, wait: bool = True, quiet: bool = True) -> None:
        """`up`: returns when everything is ready. Without `wait` the process goes on in the background."""
        if not wait:
            subprocess.Popen([sys.executable, "-m", "scripts.cli", "up"], cwd=REPO, env=self.env)
            return
        done = self.run("up", quiet=quiet)
        if done.returncode:
            raise StackFailed(f"up ended with {done.returncode}: {done.stderr}")

    def stop(self) -> None:
        """`down`; afterwards nothing of this home runs."""
        done = self.run("down", timeout=30)
        if done.returncode:
            raise StackFailed(f"down ended with {done.returncode}: {done.stderr}")

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def pid(self, name: str) -> int | None:
        """Of a service, of "jvm" (the stream's Spark) or of "supervisord"; None when it is not there."""
        file = self.home / "run" / "supervisord.pid"
        if not file.exists() or not psutil.pid_exists(daemon := int(file.read_text())):
            return None
        if name == "supervisord":
            return daemon
        if name == "jvm":
            python = self.pid("stream")
            below = psutil.Process(python).children(recursive=True) if python else []
            return next((p.pid for p in below if p.name() == "java"), None)
        for child in psutil.Process(daemon).children():
            try:
                words = child.cmdline()
            except psutil.Error:
                continue  # it has just died, or is dying
            if MODULES.get(name) in words or (name == "broker" and "kafka.Kafka" in words):
                return child.pid
        return None

    def kill(self, name: str, patience_seconds: float = 40) -> int:
        """SIGKILL, as soon as the process is there; returns its pid."""
        end = time.monotonic() + patience_seconds
        while time.monotonic() < end:
            try:
                pid = self.pid(name)
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                    return pid
            except (psutil.NoSuchProcess, ProcessLookupError):
                pass  # it went while we looked
            time.sleep(0.1)
        raise StackFailed(f"{name} is not running after {patience_seconds:.0f} s, so it cannot be killed")

    def progress(self) -> dict[str, Any] | None:
        """What the stream last told about itself."""
        file = self.home / "state" / "progress.json"
        return orjson.loads(file.read_bytes()) if file.exists() else None

    def wait_drained(self, timeout: float) -> float:
        """Until the stream has finished every record that Kafka holds; the seconds it took."""
        begun, left = time.monotonic(), None
        while time.monotonic() - begun < timeout:
            left = waiting(self.bootstrap, self.home / "state")
            if left == 0:
                return time.monotonic() - begun
            time.sleep(0.3)
        raise StackFailed(f"not drained after {timeout:.0f} s: {left} events wait; progress: {self.progress()}")
