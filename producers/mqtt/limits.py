"""What one gateway lets its clients use: messages a second, bytes in memory, places in the quarantine."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable


class TokenBucket:
    """A rate limit: `burst` tokens at once, then `per_second`."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._updated = clock()

    def take(self) -> float:
        """Take one token; returns how many seconds to wait for it."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._per_second) - 1
        self._updated = now
        return max(0.0, -self._tokens / self._per_second)

    async def acquire(self) -> None:
        """Wait for one token."""
        if pause := self.take():
            await asyncio.sleep(pause)


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


class ListedRefusals:
    """How many refused messages of an hour wait for a decision: at most `per_device`, in all 100 times that.

    The rest is kept too, but a broken device, or one with invented ids, does not fill the quarantine.
    """

    def __init__(self, per_device: int) -> None:
        self._per_device = per_device
        self._hour = -1
        self._listed: Counter[str] = Counter()

    def take(self, device: str, now_seconds: float) -> bool:
        """Whether one more message is listed."""
        hour = int(now_seconds // 3600)
        if hour != self._hour:
            self._hour = hour
            self._listed.clear()
        full = self._listed[device] >= self._per_device
        if full or self._listed.total() >= 100 * self._per_device:
            return False
        self._listed[device] += 1
        return True
