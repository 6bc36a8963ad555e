"""Integrity checks in a process of their own: hashing the rows of a lake must not delay other responses."""

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
from serving_api.http.problems import Problem
from serving_api.reads.ledger.integrity import ChainVerdict, Verifier

log = logging.getLogger("lumbung.api")
FRESH_SECONDS = 1.0  # a verdict this young is returned again
WAIT_SECONDS = 5.0  # after that, the previous verdict is returned, with the time of its check
FIRST_WAIT_SECONDS = 12.0  # the same when there is no previous verdict: the process has to start
NICENESS = 10


def serve(requests: Connection) -> None:
    """Main function of the process: receives chains and sends verdicts until the other end is closed."""
    os.nice(NICENESS)
    verifier = Verifier(settings().lake_root)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            chain = requests.recv()
            try:
                requests.send(verifier.check(chain))
            except Exception as error:  # noqa: BLE001  (raised again in the calling process)
                log.exception("the check of chain %s failed", chain)
                requests.send(error)


class IntegrityChecker:
    """Owns the process, which starts with the first request and keeps what it has verified."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
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
            task = self._running[chain] = asyncio.create_task(run_sync(self._check, chain))
            task.add_done_callback(lambda done: self._running.pop(chain))
        done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS if last else FIRST_WAIT_SECONDS)
        if done:
            return task.result()
        if last:
            return last
        raise Problem("warming-up", reason=f"chain {chain} is being verified for the first time")

    def _check(self, chain: str) -> ChainVerdict:
        with self._lock:
            reply = self._request(chain)
        if isinstance(reply, Exception):
            raise reply
        self._last[chain] = (time.monotonic(), reply)
        return reply

    def _request(self, chain: str) -> ChainVerdict | Exception:
        """One request; it is repeated once when the process has died since the last request."""
        for restart in (False, True):
            connection = self._connect(restart)
            try:
                connection.send(chain)
                reply: ChainVerdict | Exception = connection.recv()
                return reply
            except (EOFError, OSError) as error:
                log.warning("the integrity process has ended: %r", error)
        return RuntimeError("the integrity process ends at every request")

    def _connect(self, restart: bool) -> Connection:
        """The connection to the process, which is started when there is none."""
        if restart or self._connection is None:
            self.stop()
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs,), name="integrity", daemon=True)
            self._process.start()
            theirs.close()
        return self._connection

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self._process:
            self._process.terminate()
            self._process.join(5)
