"""Gold that is refreshed within seconds, by a thread of the stream: history, daily prices, markets."""

import logging
import threading

from lakehouse.io.maintenance import Maintenance
from streaming_jobs.flows import refreshed
from streaming_jobs.gold.contract_sql import sql_job
from streaming_jobs.gold.driver import RebuildWatch

log = logging.getLogger("lumbung.incremental_gold")


class IncrementalGold(threading.Thread):
    """Brings its gold tables up to the finished batches. A failure ends the process with its cause."""

    def __init__(self, pause_seconds: float) -> None:
        super().__init__(name="incremental-gold", daemon=True)
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._news = threading.Event()
        self.failure: BaseException | None = None
        self._jobs = [sql_job(table) for table in refreshed("seconds")]
        self._watch = RebuildWatch()
        self._maintenance = Maintenance(refreshed("seconds"))

    def notify(self) -> None:
        """A batch is finished: refresh at once, or when the pause after the last refresh is over."""
        self._news.set()

    def run(self) -> None:
        """Refresh after batches until `stop`, and once more then; without a batch every second pause."""
        try:
            while not self._stopping.is_set():
                self._news.wait(self._pause_seconds)
                self._news.clear()
                self.refresh()
                self._stopping.wait(self._pause_seconds)
            self.refresh()
        except BaseException as failure:
            log.exception("incremental gold failed")
            self.failure = failure

    def stop(self) -> None:
        """Refresh once more, then end."""
        self._stopping.set()
        self._news.set()
        self.join(timeout=20)

    def refresh(self) -> None:
        """Bring every table up to date."""
        for nth, job in enumerate(self._jobs):
            self._jobs[nth] = self._watch.begun_again(job, lambda name: sql_job(f"gold.{name}"))
            self._jobs[nth].refresh()
        self._maintenance.take_turn()
