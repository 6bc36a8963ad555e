"""The watched folder: a complete file is sent like a replay at full speed, then moved to done/; an unknown one to refused/."""

import logging
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from conf.settings import settings
from producers.file_events import FileEvents
from producers.kafka_sink import KafkaSink, NotAcknowledged
from producers.source_format import FormatError, Unmatched, format_of

log = logging.getLogger("lumbung.folder")
SCAN_SECONDS = 5.0  # a file system that tells nothing (a network share) is looked at this often
RETRY_SECONDS = 2.0


class Bell(FileSystemEventHandler):
    """Rings when anything in the folder moves."""

    def __init__(self, rung: threading.Event) -> None:
        self._rung = rung

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not event.is_directory:
            self._rung.set()


class Landing:
    """Files of the folder, taken one after another, oldest first."""

    def __init__(self, folder: Path, settle_seconds: float) -> None:
        self._folder, self._settle = folder, settle_seconds
        self._seen: dict[Path, tuple[int, float]] = {}  # size, and since when it has been so
        for place in (folder, folder / "done", folder / "refused"):
            place.mkdir(parents=True, exist_ok=True)

    def complete(self) -> list[Path]:
        """Files whose size has not changed for the settling time."""
        now, there = time.monotonic(), [p for p in self._folder.iterdir() if p.is_file() and not p.name.startswith(".")]
        self._seen = {path: seen for path, seen in self._seen.items() if path in there}
        for path in there:
            size = path.stat().st_size
            if self._seen.get(path, (-1, 0.0))[0] != size:
                self._seen[path] = (size, now)
        settled = [path for path in there if now - self._seen[path][1] >= self._settle]
        return sorted(settled, key=lambda path: (path.stat().st_mtime_ns, path.name))

    @property
    def unsettled(self) -> bool:
        """Whether a file is still being watched."""
        return bool(self._seen)

    def move(self, path: Path, where: str, reason: str | None = None) -> Path:
        """Move to done/ or refused/ under a free name; the reason lies beside it."""
        target, nth = self._folder / where / path.name, 1
        while target.exists():
            target, nth = self._folder / where / f"{path.stem}.{nth}{path.suffix}", nth + 1
        if reason:
            target.with_name(target.name + ".reason.txt").write_text(reason + "\n", encoding="utf-8")
        path.rename(target)
        self._seen.pop(path, None)
        return target


def take(path: Path, landing: Landing) -> None:
    """Send a file and move it. Raises NotAcknowledged: the file stays, its rows keep their ids when it is sent again."""
    known = format_of(path)
    if isinstance(known, Unmatched):
        target = landing.move(path, "refused", known.reason)
        log.warning("%s refused: %s", target.name, known.reason.splitlines()[0].encode("ascii", "replace").decode())
        return
    file, sink, began, silent = FileEvents(path, known), KafkaSink(), time.monotonic(), 0
    for row in file.rows():
        if row.payload is None:
            silent += 1
        else:
            sink.send(file.event(row))
    sink.flush()
    target = landing.move(path, "done")
    seconds = time.monotonic() - began
    log.info("%s: %d events, %d rows without a value, in %.2f s", target.name, sink.sent, silent, seconds)


def watch(landing: Landing, rung: threading.Event, stopping: threading.Event) -> None:
    """Until told to stop: take what is complete, then wait for the bell."""
    while not stopping.is_set():
        rung.clear()
        try:
            for path in landing.complete():
                if stopping.is_set():
                    return
                take(path, landing)
        except NotAcknowledged as error:
            log.warning("Kafka did not acknowledge (%s); the file is sent again", error)
            stopping.wait(RETRY_SECONDS)
        except FileNotFoundError as error:
            log.info("%s went away while it was looked at", error.filename)
        rung.wait(settings().landing.settle_seconds / 4 if landing.unsettled else SCAN_SECONDS)


def main() -> int:
    """Exit code 0 after a clean stop, 2 when a format file is wrong."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    rung, stopping = threading.Event(), threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()
        rung.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    folder = settings().landing_dir
    landing = Landing(folder, settings().landing.settle_seconds)
    observer = Observer()
    observer.schedule(Bell(rung), str(folder))
    observer.start()
    log.info("watching %s", folder)
    try:
        watch(landing, rung, stopping)
    except FormatError as error:
        log.error("%s", error)
        return 2
    finally:
        observer.stop()
        observer.join(5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
