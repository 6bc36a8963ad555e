"""How far the tables are behind Kafka: events that no finished batch covers, counted in a thread."""

import logging
import threading
import time
from collections.abc import Callable

from conf.settings import settings
from lakehouse.io.checkpoint import count_waiting
from lakehouse.io.kafka import subscribed

log = logging.getLogger("lumbung.api")
PAUSE_SECONDS = 2.0  # a count takes 0.1 s, 7 ms of it CPU time, 14 ms after a batch


class KafkaLag:
    """`events`: how many wait in Kafka; None while unknown. A thread counts them from `start` to `stop`.

    It reads no settings: what it needs of them is read when it is made.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._bootstrap = settings().kafka.bootstrap
        self._lake_root = settings().lake_root
        self._topics = subscribed()
        self.events: int | None = None
        self._caught_up_at: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Count in a thread: Kafka may take seconds to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(5)

    @property
    def seconds(self) -> float | None:
        """Seconds since the tables last held every event of Kafka; None before they first did."""
        if self._caught_up_at is None:
            return None
        return round(self.clock() - self._caught_up_at, 3)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began_at = self.clock()
            try:
                self.events = count_waiting(self._bootstrap, self._lake_root, of_topics=self._topics)
            except Exception:  # a table that cannot be read, for example; this thread must not end
                self.events = None
                log.exception("the events that wait in Kafka were not counted")
            if self.events == 0:
                self._caught_up_at = began_at
            self._stopping.wait(PAUSE_SECONDS)
