"""The watched folder: a complete file is sent like a replay at full speed, then moved to done/; an unknown one to refused/."""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from conf.broker import NotAcknowledged
from conf.settings import settings
from producers.file_events import FileEvents, Unreadable
from producers.kafka_sink import KafkaSink
from producers.source_format import FormatError, Unmatched, format_of

log = logging.getLogger("lumbung.folder")
SCAN_SECONDS = 5.0  # a file system that tells nothing (a network share) is looked at this often
RETRY_SECONDS = 2.0
NAME_CHARACTERS = 200  # of a file name, so that a suffix of ours still fits
PUT_OFF_SECONDS = 60.0  # a file that the system does not let us read or move


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
        now, there = time.monotonic(), self._files()
        self._seen = {path: seen for path, seen in self._seen.items() if path in there}
        for path in there:
            size = path.stat().st_size
            if self._seen.get(path, (-1, 0.0))[0] != size:
                self._seen[path] = (size, now)
        settled = [path for path in there if now - self._seen[path][1] >= self._settle]
        return sorted(settled, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def _files(self) -> list[Path]:
        """Files in the folder and in the folders below it (whose names may tell a format); what begins with a dot is not ours."""
        found = []
        for place, folders, names in os.walk(self._folder):
            ours = ("done", "refused") if Path(place) == self._folder else ()
            folders[:] = [name for name in folders if name not in ours and not name.startswith(".")]
            found += [Path(place) / name for name in names if not name.startswith(".")]
        return [path for path in found if path.is_file()]

    @property
    def unsettled(self) -> bool:
        """Whether a file is still being watched."""
        return bool(self._seen)

    def move(self, path: Path, where: str, reason: str | None = None) -> Path:
        """Move to done/ or refused/, into the same folder there, under a free name; the reason lies beside it."""
        place = self._folder / where / path.parent.relative_to(self._folder)
        place.mkdir(parents=True, exist_ok=True)
        target, nth = place / path.name, 1
        while target.exists():
            target, nth = place / f"{path.stem[:NAME_CHARACTERS]}.{nth}{path.suffix}", nth + 1
        if reason:
            target.with_name(target.name[:NAME_CHARACTERS] + ".reason.txt").write_text(reason + "\n", encoding="utf-8")
        path.rename(target)
        self._seen.pop(path, None)
        return target

    def put_off(self, path: Path) -> None:
        """Leave the file out for a while, so that it does not hold up the others."""
        self._seen[path] = (path.stat().st_size, time.monotonic() + PUT_OFF_SECONDS)


def take(path: Path, landing: Landing, sink: KafkaSink, stopping: threading.Event) -> None:
    """Send a file and move it. Raises NotAcknowledged: the file stays, its rows keep their ids when it is sent again."""
    known = format_of(path)
    if isinstance(known, Unmatched):
        refuse(path, landing, known.reason)
        return
    began, before = time.monotonic(), path.stat()
    file, silent, sent, dead = FileEvents(path, known), 0, sink.sent, sink.dead_letters
    try:
        for row in file.ordered() if known.newest_first else file.rows():
            if stopping.is_set():
                return
            if row.payload is None:
                silent += 1
            else:
                sink.send(file.event(row))
    except Unreadable as error:
        sink.flush()
        refuse(path, landing, f"{error}\nthe {sink.sent - sent} events before it were sent")
        return
    sink.flush()
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        log.warning("%s changed while it was sent; it is sent again as a new file", file.name)
        return
    target = landing.move(path, "done")
    told = (shown(target.name), sink.sent - sent, sink.dead_letters - dead, silent, time.monotonic() - began)
    log.info("%s: %d events, %d of them dead letters; %d rows without a value; %.2f s", *told)


def refuse(path: Path, landing: Landing, reason: str) -> None:
    """Move to refused/ and tell why."""
    target = landing.move(path, "refused", reason)
    log.warning("%s refused: %s", shown(target.name), shown(reason.splitlines()[0]))


def shown(text: str) -> str:
    """Text from outside as the log can bear it."""
    return text.encode("ascii", "backslashreplace").decode()


def watch(landing: Landing, rung: threading.Event, stopping: threading.Event) -> None:
    """Until told to stop: take what is complete, then wait for the bell."""
    sink = KafkaSink()  # one for all files: to make its acquaintance with the broker costs half a second
    while not stopping.is_set():
        rung.clear()
        try:
            take_all(landing, sink, stopping)
        except NotAcknowledged as error:
            log.warning("Kafka did not acknowledge (%s); the file is sent again", error)
            sink = KafkaSink()  # what the old one still holds is not this file's any more
            stopping.wait(RETRY_SECONDS)
        except FileNotFoundError as error:
            log.info("%s went away while it was looked at", shown(str(error.filename)))
        rung.wait(settings().landing.settle_seconds / 4 if landing.unsettled else SCAN_SECONDS)


def take_all(landing: Landing, sink: KafkaSink, stopping: threading.Event) -> None:
    """Every complete file. One that the system does not let us read or move is put off. Raises NotAcknowledged."""
    for path in landing.complete():
        if stopping.is_set():
            return
        try:
            take(path, landing, sink, stopping)
        except FileNotFoundError:
            raise
        except OSError as error:
            log.warning("%s: %s; tried again in %d s", shown(path.name), error.strerror, PUT_OFF_SECONDS)
            landing.put_off(path)


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
    observer.schedule(Bell(rung), str(folder), recursive=True)
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
