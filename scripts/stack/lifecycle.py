"""`up` and `down`: start the whole stack of one LUMBUNG_HOME in order, and stop it completely."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import is_locked
from conf.settings import settings
from lakehouse.io.kafka import broker_answers, create_topics, subscribed
from lakehouse.io.small_databases import DamagedDatabaseError, refuse_damaged_databases
from scripts.console import Steps, console
from scripts.stack import ports, readiness, secrets_file, supervision
from scripts.stack.patience import Patience, comes_true, service_signs
from scripts.stack.services import BY_NAME, service_names

DISK_MIN_GB = 2.0
WAIT_SECONDS = 0.2  # between two attempts to get a lock
LOOK_SECONDS = 0.1  # between two looks at what starts
ENDED = ("BACKOFF", "FATAL", "EXITED")  # supervisor's names of states


class StackError(RuntimeError):
    """The stack could not be started or stopped; `code` is the exit code for the reason."""

    def __init__(self, text: str, code: ExitCode | int) -> None:
        super().__init__(text)
        self.code = code


class PortHeld(StackError):
    """A process of another stack or program has a port of a service."""


@contextmanager
def _holding(name: str, while_waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold run/`name`.lock of this home. Who waits for it prints which process has it."""
    settings().run_dir.mkdir(parents=True, exist_ok=True)
    with (settings().run_dir / f"{name}.lock").open("a+") as lock:
        holder = None
        while not is_locked(lock):
            lock.seek(0)
            text = lock.read()
            if text != holder:
                holder = text
                console.print(
                    f"  another ./run.sh {holder or name} is under way; waiting for it", markup=False
                )
            while_waiting()
            time.sleep(WAIT_SECONDS)
        lock.truncate(0)
        lock.write(f"{name} (pid {os.getpid()})")
        lock.flush()
        yield


def _end_for_down() -> None:
    """Raises StackError while a `down` waits: it ends an `up` that is under way."""
    with (settings().run_dir / "down.lock").open("a+") as lock:
        if not is_locked(lock):
            raise StackError("ended, because ./run.sh down stops the stack", ExitCode.NOT_RUNNING)


def up() -> None:
    """Start what is not running and wait until it is ready. Idempotent. Raises StackError."""
    if equal := ports.equal_ports():
        raise StackError("; ".join(equal), ExitCode.USAGE)
    secrets_file.main()
    _warn_of_a_full_disk()
    try:
        refuse_damaged_databases()
    except DamagedDatabaseError as error:
        raise StackError(str(error), ExitCode.REFUSED) from None
    with _holding("down"):
        pass  # a `down` that began before ends first; a later one ends this `up`
    with _holding("up", _end_for_down), Steps() as steps:
        is_new = _start_daemon()
        try:
            _start_all(steps)
        except PortHeld:
            if is_new:
                _stop_everything()
            raise


def free_gb() -> float:
    """Free space of the disk with the home, or with the folder in which it will be."""
    home = settings().home
    folder = next(folder for folder in (home, *home.parents) if folder.is_dir())
    return psutil.disk_usage(str(folder)).free / 2**30


def _warn_of_a_full_disk() -> None:
    """The stack starts: what is stored can still be read, and events are refused before the disk is full."""
    if (free := free_gb()) < DISK_MIN_GB:
        console.print(
            f"  only {free:.1f} GB free below {settings().home}: make room, or move LUMBUNG_HOME",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


def _start_daemon() -> bool:
    """Start supervisord, on free ports, after ending what a killed one left running; False when it runs."""
    try:
        supervision.rpc()
        if changed := ports.changes():
            raise StackError("; ".join(changed), ExitCode.REFUSED)
        return False
    except supervision.NotRunning:
        pass
    orphans = supervision.kill_members()
    if orphans:
        console.print(f"  ended {len(orphans)} processes that a killed supervisor left running", markup=False)
    faults = ports.faults()
    if faults:
        raise StackError("; ".join(faults), ExitCode.MISSING)
    try:
        supervision.start_daemon()
        ports.note()
    except RuntimeError as error:
        raise StackError(str(error), ExitCode.FAILED) from None
    return True


def _start_all(steps: Steps) -> None:
    """Start every service at once: most of a start is loading, and what needs Kafka waits for it."""
    names = list(service_names())
    if not settings().kafka.embedded:
        _create_topics(steps)
    _begin(names, steps)
    if settings().kafka.embedded:
        _wait(["broker"], steps)
        _create_topics(steps)
    _wait([name for name in names if name != "broker"], steps)


def _begin(names: list[str], steps: Steps) -> None:
    for name in names:
        if supervision.processes()[name]["statename"] in ENDED:
            supervision.stop((name,), 1)
        supervision.start(name)
        steps.update(name, BY_NAME[name].starting)


def _wait(names: list[str], steps: Steps) -> None:
    """Return when all are ready; wait as long as one of them makes progress."""
    waiting = list(names)
    stalled_seconds = max((BY_NAME[name].stalled_seconds for name in names), default=0.0)
    patience = Patience(stalled_seconds)
    while waiting:
        _end_for_down()
        now = supervision.processes()
        for name in list(waiting):
            _check_ports(name, now[name]["pid"])
            if now[name]["statename"] in ENDED:
                _give_up(name)
            if readiness.ready(name, now[name]):
                steps.done(name)
                waiting.remove(name)
            else:
                steps.update(name, BY_NAME[name].starting)
        if patience.spent(tuple(service_signs(name, now[name]["pid"]) for name in waiting)):
            text = (
                f"not ready, and without progress for {stalled_seconds:.0f} s: {', '.join(waiting)}; "
                f"see ./run.sh logs {waiting[0]}; then ./run.sh up again goes on waiting"
            )
            raise StackError(text, ExitCode.TIME_LIMIT)
        time.sleep(LOOK_SECONDS)


def _check_ports(name: str, pid: int) -> None:
    """Stop a service whose port another stack has taken since the start of `up`. Raises PortHeld."""
    for port in ports.wanted():
        if port.service == name and ports.is_foreign(port, pid):
            supervision.stop((name,), 2)
            raise PortHeld(ports.fault_of(port), ExitCode.MISSING)


def _give_up(name: str) -> None:
    """Stop a service that ended while starting. Raises StackError with its last log lines."""
    code = supervision.last_exit(name)
    supervision.stop((name,), 2)
    lines = "\n".join(tail(name, 12))
    text = f"{name} ended while starting (exit code {code}). Its last log lines:\n{lines}"
    raise StackError(text, code or ExitCode.FAILED)


def _create_topics(steps: Steps) -> None:
    if not broker_answers():
        raise StackError(f"Kafka at {settings().kafka.bootstrap} does not answer", ExitCode.NOT_RUNNING)
    steps.update("topics", "creating missing topics")
    created = create_topics(subscribed())
    steps.done("topics", f"{len(created)} created" if created else "all exist")


def tail(name: str, lines: int) -> list[str]:
    """The last lines of a service's log; none when it has no log."""
    log = settings().log_dir / f"{name}.log"
    return log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []


def down() -> list[int]:
    """Stop everything within 15 s: first what uses Kafka, then Kafka. Returns pids that had to be killed.

    An `up` that is under way is ended.
    """
    with _holding("down"), _holding("up"):
        return _stop_everything()


def _stop_everything() -> list[int]:
    try:
        control = supervision.rpc()
    except supervision.NotRunning:
        killed = supervision.kill_members()
    else:
        supervision.stop(tuple(name for name in supervision.processes() if name != "broker"), 9)
        if settings().kafka.embedded:
            supervision.stop(("broker",), 3)
        control.shutdown()
        comes_true(lambda: not supervision.members(), 2, 0.05)
        killed = supervision.kill_members(1)
    supervision.forget_socket()
    ports.forget()
    return killed
