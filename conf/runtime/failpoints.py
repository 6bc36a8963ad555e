"""Named points at which a process kills or stops itself, so that tests can crash or halt it there."""

import os
import signal
from collections import Counter

from conf.settings import settings

_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process if LUMBUNG_FAILPOINT is `name` (first call) or `name:n` (n-th call).

    `name:n:stop`: stop it until it gets SIGCONT.
    """
    wanted = settings().failpoint
    if not wanted:
        return
    point, nth, action = (*wanted.split(":"), "", "")[:3]
    if point == name:
        _passed[name] += 1
        if _passed[name] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)
