"""A stack without events waits for them: it does not look for them again and again."""

import pytest

from scripts.stack.throwaway import Stack
from tests.integration.idle_counts import PROC, excess, idle_counts
from tests.support.waiting import eventually


@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROC.exists(), reason="counts of processes are read from /proc")
def test_idle_stack_waits_for_work_instead_of_looking_for_it(stack: Stack):
    """Fails when a part looks every 10 ms or reads a table in each round: then no sample is within bounds."""
    stack.wait_drained(120)

    def sample_is_within_bounds() -> bool:
        assert excess(idle_counts(stack)) == {}  # else background jobs still take up the last events
        return True

    eventually(sample_is_within_bounds, 300)
