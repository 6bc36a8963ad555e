"""A stack in a folder of its own on free ports: for integration tests, chaos and benches."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO, child_environment
from lakehouse.identity.roles import Role
from lakehouse.io.checkpoint import count_waiting
from lakehouse.io.identity.devices import ProvidedDevice, provide_devices
from lakehouse.io.identity.tokens import TokenSigner
from lakehouse.io.process_status import StreamStatus, stream_status
from scripts.stack.patience import (
    LONGEST_SECONDS,
    Patience,
    TimedOut,
    cpu_seconds,
    executor_in,
    process_tree,
    stream_signs,
)
from scripts.stack.services import modules

CLI = (sys.executable, "-m", "scripts.cli")
READER = "streaming_jobs.embedded.reader"  # of the embedded engine; Spark's is a JVM
ANY_MARKET = "PASAR-001"  # where devices that send for every market are listed
# Models are trained, and requests refused for their number, only where a test or bench sets another value.
DEFAULT_KNOBS = {"LUMBUNG_TRAINING__WATCH_SECONDS": "3600", "LUMBUNG_LIMITS__ENFORCED": "false"}
TOKEN_SECONDS = 24 * 3600


class StackFailed(RuntimeError):
    """The stack did not do what was requested; the message holds its output."""


def free_ports(count: int) -> list[int]:
    """Random ports that no process listens on now.

    They lie below 32768, where Linux takes the ports of outgoing connections from: one of those could hold a
    port between this call and the start of its server.
    """
    candidates = iter(secrets.SystemRandom().sample(range(20_000, 32_000), 100))
    ports: list[int] = []
    while len(ports) < count:
        port = next(candidates)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.append(port)
    return ports


def cluster_folder(home: Path) -> Path:
    """Where the Spark cluster of a stack has its files."""
    return home.parent / "cluster"


class Stack:
    """`start` and `stop` run the verbs `up` and `down`; as a context manager it does both.

    `knobs` are environment variables, e.g. LUMBUNG_LOG_LEVEL="DEBUG".
    """

    def __init__(self, home: Path, **knobs: str) -> None:
        kafka_port, controller_port, self.api_port, self.mqtt_port = free_ports(4)
        self.home = home
        self.bootstrap = f"127.0.0.1:{kafka_port}"
        own = {
            "LUMBUNG_HOME": str(home),
            "LUMBUNG_KAFKA__BOOTSTRAP": self.bootstrap,
            "LUMBUNG_KAFKA__CONTROLLER_PORT": str(controller_port),
            "LUMBUNG_API__PORT": str(self.api_port),
            "LUMBUNG_MQTT__PORT": str(self.mqtt_port),
        }
        self.env = child_environment(**own | DEFAULT_KNOBS | knobs)
        self._tokens: dict[str, str] = {}
        self.env.pop("API_PORT", None)  # it would win over the free port

    @property
    def api_url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def lake_root(self) -> str:
        """Folder that holds bronze/, silver/ and gold/."""
        return str(self.home / "lake")

    @property
    def landing(self) -> Path:
        """The watched folder."""
        return self.home / "landing"

    @property
    def identity_url(self) -> str:
        """Database of accounts and devices."""
        file = self.home / "state" / "identity.sqlite"
        return self.env.get("DATABASE_URL") or f"sqlite+aiosqlite:///{file}"

    def devices(self, *device_ids: str, market_id: str | None = None) -> dict[str, str]:
        """Device id -> secret of new devices of one market; without it they may send for every market."""
        role = "operator" if market_id else "central"
        given = [
            ProvidedDevice(device_id, market_id or ANY_MARKET, secrets.token_urlsafe(32), role)
            for device_id in device_ids
        ]
        provide_devices(given, "stack", self.identity_url)
        return {device.device_id: device.secret for device in given}

    @property
    def tokens(self) -> dict[str, str]:
        """Role -> bearer, signed once with the secret that `setup` wrote."""
        if not self._tokens:
            lines = (self.home / "secrets.env").read_text(encoding="utf-8").splitlines()
            signer = TokenSigner(dict(line.split("=", 1) for line in lines)["JWT_SECRET"], "HS256")
            self._tokens = {role.label: signer.sign_local(role, TOKEN_SECONDS) for role in Role}
        return self._tokens

    def run(self, *verb: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run one verb of run.sh on this stack; its output is captured."""
        return subprocess.run(
            [*CLI, *verb],
            cwd=REPO,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self) -> None:
        """Start and return when everything is ready.

        Raises TimedOut when it made no progress, StackFailed when it failed.
        """
        done = self.run("up", timeout=LONGEST_SECONDS)
        if done.returncode == ExitCode.TIME_LIMIT:
            raise TimedOut(f"up: {done.stderr}")
        if done.returncode:
            raise StackFailed(f"up ended with {done.returncode}: {done.stderr}")

    def stop(self) -> None:
        """Stop; afterwards no process of this home runs. Raises StackFailed."""
        done = self.run("down", timeout=120)
        if done.returncode:
            raise StackFailed(f"down ended with {done.returncode}: {done.stderr}")

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def pid(self, name: str) -> int | None:
        """Process id of a service, of "reader", "executor" or "supervisord"; None if not running.

        The reader is what reads Kafka for the stream: Spark's JVM, or the process of the embedded engine. An
        executor is one of a Spark cluster in `cluster_folder`.
        """
        supervisor = self._supervisor()
        if supervisor is None or name == "supervisord":
            return supervisor
        if name == "reader":
            children = process_tree(self.pid("stream"))[1:]
            return next((child.pid for child in children if _reads_kafka(child)), None)
        if name == "executor":
            return executor_in(cluster_folder(self.home))
        argument = "kafka.Kafka" if name == "broker" else modules()[name]  # the broker becomes a Java process
        for child in psutil.Process(supervisor).children():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if argument in child.cmdline():
                    return child.pid
        return None

    def _supervisor(self) -> int | None:
        file = self.home / "run" / "supervisord.pid"
        written = file.read_text() if file.exists() else ""  # empty while supervisord is writing it
        pid = int(written) if written.strip() else None
        return pid if pid and psutil.pid_exists(pid) else None

    def signal(self, name: str, number: signal.Signals, stalled_seconds: float = 40) -> int:
        """Send a signal as soon as the process runs; returns its pid. Raises TimedOut."""
        patience = Patience(stalled_seconds)
        while not patience.spent(cpu_seconds(self.pid("supervisord"))):
            try:
                pid = self.pid(name)
                if pid is not None:
                    os.kill(pid, number)
                    return pid
            except (psutil.NoSuchProcess, ProcessLookupError):
                pass  # it ended between the look-up and the signal
            time.sleep(0.1)
        raise TimedOut(f"{name} does not run, and the stack makes no progress, so it gets no signal")

    def progress(self) -> StreamStatus | None:
        """The last status that the stream wrote; None before its first start."""
        return stream_status(self.home / "state")

    def wait_drained(self, stalled_seconds: float) -> float:
        """Wait until the stream has finished every record in Kafka; returns seconds.

        Raises TimedOut when their number does not change and the stream does not work for so long.
        """
        started = time.monotonic()
        patience = Patience(stalled_seconds)
        while (events := count_waiting(self.bootstrap, self.lake_root)) != 0:
            if patience.spent(stream_signs(events, self.pid("stream"))):
                raise TimedOut(
                    f"not drained: {events} events wait, unchanged for {stalled_seconds:.0f} s; "
                    f"progress: {self.progress()}"
                )
            time.sleep(0.3)
        return time.monotonic() - started


def _reads_kafka(process: psutil.Process) -> bool:
    try:
        return process.name() == "java" or READER in process.cmdline()
    except psutil.Error:
        return False  # it has just ended
