"""`up` and `down`: the whole stack of one LUMBUNG_HOME, started in order and stopped without a trace."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from conf.broker import create_topics
from conf.settings import settings
from lakehouse.event import topics
from scripts import ports, readiness, secrets_file, supervision
from scripts.steps import Steps, console

DOING = {
    "broker": "starting Kafka",
    "stream": "starting Spark and looking at checkpoint and tables",
    "heavy_gold": "waiting for the stream's tables",
    "gateway": "opening the MQTT door",
    "folder_watch": "watching the landing folder",
    "trainer": "waiting for prices and orders",
    "api": "opening the HTTP door",
}
PATIENCE_SECONDS = {"broker": 40, "stream": 120, "heavy_gold": 120, "gateway": 40, "folder_watch": 20, "trainer": 40, "api": 40}


class StackError(RuntimeError):
    """The stack could not be brought up or down; `code` is the exit code that says why."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@contextmanager
def alone() -> Iterator[None]:
    """One `up` or `down` per home at a time; the second waits."""
    settings().run_dir.mkdir(parents=True, exist_ok=True)
    with (settings().run_dir / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up() -> None:
    """Start what is not running and wait until it is ready. Idempotent. Raises StackError."""
    secrets_file.main()
    with alone(), Steps() as steps:
        _daemon()
        _start(["broker"] if settings().kafka.embedded else [], steps)
        _topics(steps)
        _start([name for name in supervision.services() if name != "broker"], steps)


def _daemon() -> None:
    """supervisord is there, or is started on free ports after sweeping out what a killed one left."""
    try:
        supervision.rpc()
        return
    except supervision.NotRunning:
        pass
    orphans = supervision.kill_members()
    if orphans:
        console.print(f"  ended {len(orphans)} processes that a killed supervisor had left behind", markup=False)
    faults = ports.taken()
    if faults:
        raise StackError("; ".join(faults), 3)
    try:
        supervision.start_daemon()
    except RuntimeError as error:
        raise StackError(str(error), 1) from None


def _start(names: list[str], steps: Steps) -> None:
    """Start the services side by side and wait for each in turn."""
    for name in names:
        if supervision.processes()[name]["statename"] in ("BACKOFF", "FATAL", "EXITED"):
            supervision.stop((name,), 1)
        supervision.start(name)
        steps.tell(name, DOING[name])
    waiting = list(names)
    while waiting:
        now = supervision.processes()
        for name in list(waiting):
            if now[name]["statename"] in ("BACKOFF", "FATAL", "EXITED"):
                _give_up(name)
            if readiness.ready(name, now[name]):
                steps.done(name)
                waiting.remove(name)
            elif steps.seconds(name) > PATIENCE_SECONDS[name]:
                raise StackError(f"{name} is not ready after {PATIENCE_SECONDS[name]} s; see ./run.sh logs {name}", 124)
            else:
                steps.tell(name, DOING[name])
        time.sleep(0.1)


def _give_up(name: str) -> None:
    """A service that ends while it starts: leave it down and pass on its own last words and exit code."""
    code = supervision.last_exit(name)
    supervision.stop((name,), 2)
    words = "\n".join(tail(name, 12))
    raise StackError(f"{name} ended while starting (exit code {code}). Its last words:\n{words}", code or 1)


def _topics(steps: Steps) -> None:
    if not readiness.broker_ready():
        raise StackError(f"Kafka at {settings().kafka.bootstrap} does not answer", 4)
    steps.tell("topics", "creating what is missing")
    made = create_topics(topics())
    steps.done("topics", f"{len(made)} created" if made else "all there")


def tail(name: str, lines: int) -> list[str]:
    """The last lines of a service's log."""
    log = settings().log_dir / f"{name}.log"
    return log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []


def down() -> list[int]:
    """Stop everything within 15 s: doors and stream first, then Kafka. Returns pids that had to be swept out."""
    with alone():
        try:
            control = supervision.rpc()
        except supervision.NotRunning:
            swept = supervision.kill_members()
        else:
            supervision.stop(tuple(name for name in supervision.services() if name != "broker"), 9)
            if settings().kafka.embedded:
                supervision.stop(("broker",), 3)
            control.shutdown()
            _wait_for_shutdown(2)
            swept = supervision.kill_members(1)
        supervision.forget_socket()
        return swept


def _wait_for_shutdown(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and supervision.members():
        time.sleep(0.05)
