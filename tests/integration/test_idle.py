"""A stack without events waits for them: it does not look for them again and again."""

import pytest

from scripts.stack.throwaway import Stack
from tests.integration.idle_counts import PROC, excess, idle_counts

SAMPLES = 24  # of 10 s each: background jobs take up the last events, on a busy machine for minutes


@pytest.mark.slow
@pytest.mark.timeout(450)
@pytest.mark.skipif(not PROC.exists(), reason="counts of processes are read from /proc")
def test_idle_stack_waits_for_work_instead_of_looking_for_it(stack: Stack):
    """Fails when a part looks every 10 ms: then no sample is within the bounds."""
    stack.wait_drained(120)
    excesses = []
    for _ in range(SAMPLES):
        counts = idle_counts(stack.pid("supervisord"), stack.pid("broker"), stack.lake_root, seconds=10)
        excesses.append(excess(counts))
        if not excesses[-1]:
            return
    assert {} in excesses
