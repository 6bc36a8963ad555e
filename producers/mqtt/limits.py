"""What one gateway lets its clients use: messages per second of each, bytes in memory of all."""

import asyncio
import time
from collections import deque


class TokenBucket:
    """A rate limit: `burst` tokens at once, then `per_second`."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._updated = time.monotonic()

    async def acquire(self) -> None:
        """Wait for one token."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._per_second) - 1
        self._updated = now
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._per_second)


class ByteBudget:
    """Bytes that may be in memory at once. Whoever asks first gets them first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = limit
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size: int) -> int:
        """Wait for `size` bytes, at most the whole budget; returns how many are to be released."""
        size = min(size, self._limit)
        if self._waiting or size > self._free:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                self.release(0 if turn.cancelled() else size)  # the next one in the queue may have its turn
                raise
        else:
            self._free -= size
        return size

    def release(self, size: int) -> None:
        """Give bytes back."""
        self._free += size
        while self._waiting and (self._waiting[0][1].cancelled() or self._waiting[0][0] <= self._free):
            wanted, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= wanted
                turn.set_result(None)
