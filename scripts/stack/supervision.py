"""The one supervisord of a LUMBUNG_HOME: start it, control it, and find processes that it left running."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy  # noqa: S411  (a private socket of this user)

import psutil
from supervisor.xmlrpc import SupervisorTransport

from conf.settings import REPO, child_environment, settings
from scripts.stack.patience import comes_true
from scripts.stack.services import SIMULATED_BARS, SUPERVISOR_FILE, service_names

HOME_VARIABLE = "STACK_HOME"  # holds the home in the environment of every process of a stack, JVMs included
RECENT_MINUTES = 5
MANY_RESTARTS = 3  # within these minutes
SOCKET_MAX_BYTES = 100  # AF_UNIX allows 107 with the suffix that supervisor adds while it binds
TEMPORARY_MAX_BYTES = 60  # leaves room for the name of a folder and of the socket


class NotRunning(RuntimeError):
    """No supervisord answers for this home."""


def socket_file() -> Path:
    """The control socket: run/supervisor.sock, or a short path noted in run/socket if that is too long."""
    direct = settings().run_dir / "supervisor.sock"
    if len(os.fsencode(direct)) <= SOCKET_MAX_BYTES:
        return direct
    record = settings().run_dir / "socket"
    if record.exists():
        return Path(record.read_text(encoding="utf-8"))
    is_long = len(os.fsencode(tempfile.gettempdir())) > TEMPORARY_MAX_BYTES
    parent = "/tmp" if is_long else None  # noqa: S108 - mkdtemp makes a folder that only its owner enters
    short = Path(tempfile.mkdtemp(prefix="lumbung-", dir=parent)) / "supervisor.sock"
    record.write_text(str(short), encoding="utf-8")
    return short


def rpc() -> Any:
    """supervisor's XML-RPC interface. Raises NotRunning when supervisord does not listen."""
    file = socket_file()
    if not file.exists():
        raise NotRunning
    proxy = ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{file}"))
    try:
        proxy.supervisor.getState()
    except OSError:
        raise NotRunning from None
    return proxy.supervisor


def processes() -> dict[str, dict[str, Any]]:
    """Program -> supervisor's view of it (statename, pid, start, now, …); empty when supervisord is down."""
    names = service_names()
    try:
        programs = {info["name"]: info for info in rpc().getAllProcessInfo()}
    except NotRunning:
        return {}
    started = programs[SIMULATED_BARS]["start"] != 0
    return {
        name: info for name, info in programs.items() if name in names or (started and name == SIMULATED_BARS)
    }


def start_daemon() -> None:
    """Start supervisord in the background and wait until it answers. Raises RuntimeError with its output."""
    here = settings()
    for folder in (here.run_dir, here.log_dir):
        folder.mkdir(parents=True, exist_ok=True)
    environment = child_environment(
        STACK_HOME=str(here.home),
        STACK_PYTHON=sys.executable,
        STACK_CODE=str(REPO),
        STACK_RUN=str(here.run_dir),
        STACK_LOGS=str(here.log_dir),
        STACK_SOCKET=str(socket_file()),
        LUMBUNG_HOME=str(here.home),
        PYTHONUNBUFFERED="1",
        PYTHONFAULTHANDLER="1",  # a crash outside Python leaves its threads in the log of the process
        ARROW_DEFAULT_MEMORY_POOL="system",  # its freed memory can be given back: lakehouse/io/memory.py
    )
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(SUPERVISOR_FILE)]
    done = subprocess.run(
        command, env=environment, cwd=REPO, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"supervisord did not start: {done.stdout}{done.stderr}".strip())
    for _ in range(600):
        with suppress(NotRunning):
            rpc()
            return
        time.sleep(0.1)
    raise RuntimeError(f"supervisord does not answer; see {here.log_dir / 'supervisord.log'}")


def start(name: str) -> None:
    """Request the start of a service; one that is up or starting is left alone."""
    try:
        rpc().startProcess(name, False)
    except Fault as fault:
        if not fault.faultString.startswith("ALREADY_STARTED"):
            raise RuntimeError(f"{name}: {fault.faultString}") from None


def stop(names: tuple[str, ...], within_seconds: float) -> None:
    """Stop services in parallel. Supervisor kills those that do not end in time."""
    control = rpc()
    for name in names:
        with suppress(Fault):  # NOT_RUNNING
            control.stopProcess(name, False)
    comes_true(lambda: not any(processes()[name]["pid"] for name in names), within_seconds)


def _log() -> str:
    """supervisord's log: its interface does not keep short-lived processes."""
    log = settings().log_dir / "supervisord.log"
    return log.read_text(errors="replace") if log.exists() else ""


def last_exit(name: str) -> int | None:
    """Exit code of the service's last unrequested end; None when it was killed or never ended."""
    pattern = rf"exited: {name} \((?:exit status (\d+)|terminated by SIG\w+)"
    codes = re.findall(pattern, _log())
    return int(codes[-1]) if codes and codes[-1] else None


@dataclass(frozen=True)
class Restarts:
    """How often a service ended by a fault since supervisord was started, and how often of late."""

    count: int
    recent: int

    @property
    def again_and_again(self) -> bool:
        """Whether it ends so often that it does no work, although it may run at this moment."""
        return self.recent >= MANY_RESTARTS


def restarts(name: str) -> Restarts:
    """The restarts of a service, from supervisord's log."""
    _, _, since_start = _log().rpartition("supervisord started with pid")
    ends = re.findall(rf"^(\S+ \S+),\d+ \w+ exited: {name} \(.*; not expected\)", since_start, re.MULTILINE)
    latest = datetime.now() - timedelta(minutes=RECENT_MINUTES)  # noqa: DTZ005  (the log has local times)
    recent = [end for end in ends if datetime.strptime(end, "%Y-%m-%d %H:%M:%S") > latest]  # noqa: DTZ007
    return Restarts(len(ends), len(recent))


def members() -> list[psutil.Process]:
    """Every process that belongs to this home's stack, supervisord and JVMs included."""
    home = str(settings().home)
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if (
                process.environ().get(HOME_VARIABLE) == home
                and process.pid != os.getpid()
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                processes.append(process)
    return processes


def kill_members(patience_seconds: float = 3.0) -> list[int]:
    """Send TERM, then KILL to every process of this home that still runs; returns their pids."""
    running = members()
    for process in running:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    _, stubborn = psutil.wait_procs(running, timeout=patience_seconds)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=2)
    return [process.pid for process in running]


def forget_socket() -> None:
    """Remove control socket and pid file of a stack that is down."""
    file = socket_file()
    file.unlink(missing_ok=True)
    (settings().run_dir / "supervisord.pid").unlink(missing_ok=True)
    record = settings().run_dir / "socket"
    if record.exists():
        shutil.rmtree(file.parent, ignore_errors=True)
        record.unlink()
