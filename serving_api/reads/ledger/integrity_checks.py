"""Integrity checks in a process of their own: hashing the rows of a lake must not delay other responses."""

import asyncio
import os
import time
import traceback
from functools import cache

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from conf.settings import settings
from serving_api.http.problems import Problem
from serving_api.reads.ledger.integrity import ChainVerdict, Verifier

FRESH_SECONDS = 1.0  # a verdict this young is returned again
WAIT_SECONDS = 5.0  # after that, the previous verdict is returned, with the time of its check
FIRST_WAIT_SECONDS = 12.0  # the same when there is no previous verdict: the process has to start
NICENESS = 10


@cache
def verifier() -> Verifier:
    """That of the process, which keeps what it has verified."""
    os.nice(NICENESS)
    return Verifier(settings().lake_root)


def check(chain: str) -> ChainVerdict:
    """One check, in the process."""
    try:
        return verifier().check(chain)
    except Exception as error:
        error.add_note(traceback.format_exc())  # an exception leaves a process without its traceback
        raise


class IntegrityChecker:
    """Checks in one process, which starts with the first request and ends with the event loop."""

    def __init__(self) -> None:
        self._process = CapacityLimiter(1)
        self._last: dict[str, tuple[float, ChainVerdict]] = {}
        self._running: dict[str, asyncio.Task[ChainVerdict]] = {}

    async def verdict(self, chain: str) -> ChainVerdict:
        """The newest verdict; the previous one while a long check runs.

        Raises Problem 503 when there is none yet.
        """
        at, last = self._last.get(chain, (0.0, None))
        if last and time.monotonic() - at < FRESH_SECONDS:
            return last
        task = self._running.get(chain)
        if task is None:
            task = self._running[chain] = asyncio.create_task(self._check(chain))
            task.add_done_callback(lambda done: self._running.pop(chain))
        done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS if last else FIRST_WAIT_SECONDS)
        if done:
            return task.result()
        if last:
            return last
        raise Problem("warming-up", reason=f"chain {chain} is being verified for the first time")

    # Again when the process has died since the last check.
    @retry(retry=retry_if_exception_type(BrokenWorkerProcess), stop=stop_after_attempt(2), reraise=True)
    async def _check(self, chain: str) -> ChainVerdict:
        verdict = await to_process.run_sync(check, chain, cancellable=True, limiter=self._process)
        self._last[chain] = (time.monotonic(), verdict)
        return verdict
