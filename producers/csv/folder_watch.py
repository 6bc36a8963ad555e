"""The watched folder: a complete file is sent and moved to done/, one of an unknown format to refused/."""

import logging
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.settings import settings
from lakehouse.io.kafka import NotAcknowledged
from lakehouse.io.source_files.file_events import FileEvents, Unreadable
from lakehouse.io.source_files.formats import Unmatched, format_of, source_formats
from lakehouse.io.source_files.unknown_names import UnknownNames
from producers.csv.landing import NAME_CHARACTERS, PUT_OFF_SECONDS, Landing
from producers.publish import KafkaSink

log = logging.getLogger("lumbung.folder")
SCAN_SECONDS = 5.0  # a file system without change events (a network share) is scanned this often
RETRY_SECONDS = 2.0
LINK_REFUSED = "it is a symbolic link, which is not followed: put a copy of the file into the folder"


class ChangeHandler(FileSystemEventHandler):
    """Sets `changed` when a file in the folder changes."""

    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not event.is_directory:
            self._changed.set()


def send_file(path: Path, landing: Landing, sink: KafkaSink, stopping: threading.Event) -> None:
    """Send a file and move it.

    Raises NotAcknowledged: the file stays, and its rows keep their ids when it is sent again.
    """
    if path.is_symlink():
        refuse(path, landing, LINK_REFUSED)
        return
    file_format = format_of(path)
    if isinstance(file_format, Unmatched):
        refuse(path, landing, file_format.reason)
        return
    began = time.monotonic()
    file = FileEvents(path, file_format)
    sent_before = sink.sent
    dead_letters_before = sink.dead_letters
    no_event = 0
    names = UnknownNames()
    try:
        for row in file.ordered() if file_format.newest_first else file.rows():
            if stopping.is_set():
                return
            if row.payload is None:
                no_event += 1
            else:
                sink.send(file.event(row))
                names.note(row.kind, row.payload)
    except Unreadable as error:
        sink.flush()
        refuse(path, landing, f"{error}\nthe {sink.sent - sent_before} events before it were sent")
        return
    sink.flush()
    target = landing.finish(path, file.sha256)
    if target is None:
        return
    if names:
        listed = target.with_name(f"{target.name[:NAME_CHARACTERS]}.unknown-names.yml")
        listed.write_text(names.yaml() + "\n", encoding="utf-8")
        log.warning("%s has names that no reference list has: %s lists them", target.name, listed)
    log.info(
        "%s: %d events, %d of them dead letters; %d rows without a value; %.2f s",
        target.name,
        sink.sent - sent_before,
        sink.dead_letters - dead_letters_before,
        no_event,
        time.monotonic() - began,
    )


def refuse(path: Path, landing: Landing, reason: str) -> None:
    """Move to refused/ and log the reason."""
    target = landing.move(path, "refused", reason)
    log.warning("%s refused: %s", target.name, reason.splitlines()[0])


def watch(landing: Landing, changed: threading.Event, stopping: threading.Event) -> None:
    """Send complete files and wait for changes, until `stopping` is set."""
    sink = KafkaSink()  # one for all files: connecting to the broker takes half a second
    while not stopping.is_set():
        changed.clear()
        try:
            landing.take_back()
            send_complete(landing, sink, stopping)
        except NotAcknowledged as error:
            log.warning("Kafka did not acknowledge (%s); the file is sent again", error)
            sink = KafkaSink()  # the old one may still hold records of this file
            stopping.wait(RETRY_SECONDS)
        except FileNotFoundError as error:
            log.info("%s disappeared before it was sent", error.filename)
        changed.wait(settings().landing.settle_seconds / 4 if landing.unsettled else SCAN_SECONDS)


def send_complete(landing: Landing, sink: KafkaSink, stopping: threading.Event) -> None:
    """Send every complete file. One that cannot be read or moved is put off. Raises NotAcknowledged."""
    for path in (*landing.links(), *landing.complete()):
        if stopping.is_set():
            return
        try:
            send_file(path, landing, sink, stopping)
        except FileNotFoundError:
            raise
        except OSError as error:
            log.warning("%s: %s; tried again in %d s", path.name, error.strerror, PUT_OFF_SECONDS)
            landing.put_off(path)


def main() -> ExitCode:
    """DONE after a clean stop. Formats that are not usable are logged; the others are."""
    configure_logging()
    changed = threading.Event()
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()
        changed.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    folder = settings().landing_dir
    landing = Landing(folder, settings().landing.settle_seconds)
    observer = Observer()
    observer.schedule(ChangeHandler(changed), str(folder), recursive=True)
    observer.start()
    log.info("watching %s", folder)
    for fault in source_formats().faults.values():
        log.warning("a format is not usable: %s", fault)
    try:
        watch(landing, changed, stopping)
    finally:
        observer.stop()
        observer.join(5)
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
