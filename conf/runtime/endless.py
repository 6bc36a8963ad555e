"""Endless work of a process: when it ends, that is logged and counted, and it begins again."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger("lumbung.tasks")
PAUSE_SECONDS = 1.0  # before it begins again
restarts: Counter[str] = Counter()  # name of the work -> how often it began again in this process


class Ended(RuntimeError):
    """Work that never returns has returned."""


@contextmanager
def survived(name: str) -> Iterator[None]:
    """Log and count whatever fails inside, a panic of a library in Rust too, which is no Exception."""
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        restarts[name] += 1
        log.exception("%s failed and begins again", name)


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Await `work` again and again until this is cancelled."""
    while True:
        with survived(name):
            await work()
            raise Ended(name)
        await asyncio.sleep(PAUSE_SECONDS)
