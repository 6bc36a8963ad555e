"""Checks of the chains in a process of their own: hashing a lake's rows must not hold up the answers of this one."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from anyio.to_thread import run_sync

from conf.settings import settings
from serving_api.integrity import Verdict, Verifier
from serving_api.problems import Problem

log = logging.getLogger("lumbung.api")
FRESH_SECONDS = 1.0  # a verdict this young is given again
WAIT_SECONDS = 5.0  # then the verdict before is given, with the time at which it was found
FIRST_WAIT_SECONDS = 25.0  # the first time there is none before: its process has to start and read the whole chain
FIRST_WAIT_SECONDS = 12.0  # the same while there is none before: the process has to start
NICENESS = 10


def serve(calls: Connection) -> None:
    """The process: chains in, verdicts out, until the other end is gone."""
    os.nice(NICENESS)
    verifier = Verifier(settings().lake_root)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            chain = calls.recv()
            try:
                calls.send(verifier.check(chain))
            except Exception as error:  # noqa: BLE001  (raised again by who asked)
                log.exception("the check of chain %s failed", chain)
                calls.send(error)


class Checks:
    """`verdict` keeps nobody waiting for long; the process begins with the first question and goes on from what it knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._calls: Connection | None = None
        self._last: dict[str, tuple[float, Verdict]] = {}
        self._under_way: dict[str, asyncio.Task[Verdict]] = {}

    async def verdict(self, chain: str) -> Verdict:
        """The newest verdict; an older one while a long check is under way. Raises Problem 503 when there is none yet."""
        at, last = self._last.get(chain, (0.0, None))
        if last and time.monotonic() - at < FRESH_SECONDS:
            return last
        task = self._under_way.get(chain)
        if task is None:
            task = self._under_way[chain] = asyncio.create_task(run_sync(self._ask, chain))
            task.add_done_callback(lambda done: self._under_way.pop(chain))
        done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS if last else FIRST_WAIT_SECONDS)
        if done:
            return task.result()
        if last:
            return last
        raise Problem("warming-up", why=f"chain {chain} is being verified for the first time")

    def _ask(self, chain: str) -> Verdict:
        with self._lock:
            answer = self._answer(chain)
        if isinstance(answer, Exception):
            raise answer
        self._last[chain] = (time.monotonic(), answer)
        return answer

    def _answer(self, chain: str) -> Verdict | Exception:
        """Asked once more when the process has died since the last question."""
        for calls in (self._opened(), None):
            calls = calls or self._opened(anew=True)
            try:
                calls.send(chain)
                answer: Verdict | Exception = calls.recv()
                return answer
            except (EOFError, OSError) as error:
                log.warning("the process that checks the chains has ended: %r", error)
        return RuntimeError("the process that checks the chains ends again and again")

    def _opened(self, anew: bool = False) -> Connection:
        """A line to the process, which is started when there is none."""
        if anew or self._calls is None:
            self.stop()
            context = multiprocessing.get_context("spawn")
            self._calls, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs,), name="integrity", daemon=True)
            self._process.start()
            theirs.close()
        return self._calls

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self._process:
            self._process.terminate()
            self._process.join(5)
