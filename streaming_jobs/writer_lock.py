"""One process writes a table: a lock file that is held until the process ends, and names its holder."""

import fcntl
import os
from typing import IO

from conf.settings import settings


class Refused(Exception):
    """The process must not start; the text says why and what to do."""


def hold(name: str, says: str) -> IO[str]:
    """Hold `name`.lock of this home as long as the file stays open. Raises Refused: `says`, with the holder's pid."""
    file = settings().state_dir / f"{name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = file.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        raise Refused(f"{says} (pid {holder}); stop it with ./run.sh down") from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
