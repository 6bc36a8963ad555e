"""Named points at which a process kills itself with SIGKILL, so that tests can crash it there."""

import os
import signal
from collections import Counter

from conf.settings import settings

_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process if LUMBUNG_FAILPOINT is `name` (first call) or `name:n` (n-th call)."""
    wanted = settings().failpoint
    if not wanted:
        return
    point, _, nth = wanted.partition(":")
    if point == name:
        _passed[name] += 1
        if _passed[name] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)
