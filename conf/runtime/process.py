"""A process that may run once per home: its lock, which names the holder, and its clean stop."""

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO

from conf.settings import settings


class Refused(Exception):
    """The process must not start; the message holds the reason and the remedy."""


def keep_files_private() -> None:
    """Files and folders that this process and its children create can be read by this user only."""
    os.umask(0o077)


def is_locked(file: IO[str]) -> bool:
    """Lock an open file for this process; False when another one has the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(name: str, message: str) -> IO[str]:
    """Hold state/`name`.lock of this home as long as the file stays open.

    Raises Refused with `message` and the holder's pid when another process holds it.
    """
    file = settings().state_dir / f"{name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = file.open("a+")
    if not is_locked(handle):
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise Refused(f"{message} (pid {holder})")
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


@contextmanager
def turn(name: str) -> Iterator[None]:
    """Wait for state/`name`.lock of this home, and hold it in the block."""
    file = settings().state_dir / f"{name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def stopped_by_signals(log: logging.Logger) -> threading.Event:
    """Set by SIGTERM and SIGINT from now on."""
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        log.info("stopping (signal %d)", signum)
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping
