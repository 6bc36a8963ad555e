"""What reads Kafka and cuts it into batches: one of two engines, by the knob `stream.engine`.

Both begin at the offsets that stand in the commits of the tables and call the same `Batches`, so that a lake
can change its engine between two starts.
"""

from collections.abc import Callable
from typing import Protocol

from lakehouse.io.checkpoint import Batch
from streaming_jobs.batch.driver import BatchRecords

ProcessBatch = Callable[[BatchRecords, Batch], None]


class Engine(Protocol):
    """`start` once, then `stop`; afterwards `failure` says why it ended."""

    def start(self, process: ProcessBatch, once: bool) -> None:
        """Call `process` for each batch, in order, in one thread. `once`: up to what Kafka holds now."""

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""

    def stop(self) -> None:
        """Finish the batch under way, then end."""

    @property
    def failure(self) -> BaseException | None:
        """Why it ended by itself; None while it runs, and after a stop."""

    def close(self) -> None:
        """Release what it has loaded."""
