"""What reads Kafka and keeps offsets and batch numbers: one of two engines, by the knob `stream.engine`.

Both note the same checkpoint and call the same `Batches`, so that a lake can change its engine between two
starts.
"""

from collections.abc import Callable
from typing import Protocol

from streaming_jobs.batch.driver import BatchRecords

ProcessBatch = Callable[[BatchRecords, int], None]  # records of a batch, its number


class Engine(Protocol):
    """`start` once, then `stop`; afterwards `failure` says why it ended."""

    def start(self, process: ProcessBatch, once: bool) -> None:
        """Call `process` for each batch, in order, in one thread. `once`: up to what Kafka holds now."""

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""

    def wait(self) -> None:
        """Return when it has ended."""

    def stop(self) -> None:
        """Finish the batch under way, then end."""

    @property
    def failure(self) -> BaseException | None:
        """Why it ended by itself; None while it runs, and after a stop."""

    def close(self) -> None:
        """Release what it has loaded."""
