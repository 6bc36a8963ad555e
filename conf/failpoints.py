"""Named points at which a process kills itself with SIGKILL, so that tests can crash it exactly there."""

import os
import signal
from collections import Counter

from conf.settings import settings

_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Die here if LUMBUNG_FAILPOINT is `name` (first pass) or `name:n` (n-th pass); otherwise nothing."""
    wanted = settings().failpoint
    if not wanted:
        return
    point, _, nth = wanted.partition(":")
    if point == name:
        _passed[name] += 1
        if _passed[name] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)
