"""One process does a thing on a home: a lock file that is held until the process ends, and names its holder."""

import fcntl
import os
from typing import IO

from conf.settings import settings


class Held(Exception):
    """Another process does it; the text says so, with its pid."""


def hold(name: str, says: str) -> IO[str]:
    """Hold state/`name`.lock as long as the file stays open. Raises Held: `says`, with the holder's pid."""
    file = settings().state_dir / f"{name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = file.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise Held(f"{says} (pid {holder})") from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
