"""`replay`: published files through the CSV door, in event-time order, at a chosen speed, resumable."""

import hashlib
import heapq
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import orjson
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from conf.broker import NotAcknowledged, create_topics
from conf.settings import settings
from lakehouse.event import rfc3339, topics
from producers.file_events import FileEvents, Row, Unreadable
from producers.kafka_sink import KafkaSink
from producers.source_format import FormatError, Unmatched, format_of

SPEED_UNITS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SAVE_SECONDS = 2.0
console = Console(stderr=True)


def speed_of(text: str) -> float | None:
    """Seconds of event time per second: `1d/s` -> 86400, `max` -> None. Raises typer.BadParameter."""
    if text == "max":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])/s", text)
    if not found or float(found[1]) == 0:
        raise typer.BadParameter("give max, or event time per second: 1d/s, 12h/s, 90m/s")
    return float(found[1]) * SPEED_UNITS_SECONDS[found[2]]


class Position:
    """How many rows of a replay are acknowledged; kept in LUMBUNG_HOME/replay so that the next run goes on from there."""

    def __init__(self, files: list[FileEvents]) -> None:
        identity = "\n".join(sorted(f"{file.name} {file.sha256} {file.format.name}" for file in files))
        self.id = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._file = settings().home / "replay" / f"{self.id}.json"

    def load(self) -> dict[str, int]:
        """Rows acknowledged and rows in all; both 0 before the first run."""
        return orjson.loads(self._file.read_bytes()) if self._file.exists() else {"rows": 0, "of": 0}

    def save(self, rows: int, of: int) -> None:
        """Replace the note in one step."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".tmp")
        fresh.write_bytes(orjson.dumps({"rows": rows, "of": of}))
        fresh.replace(self._file)


def found_files(path: Path, wanted: str | None) -> list[FileEvents]:
    """Files of known formats at `path` (a file, or a folder with all below it); others are named and left out."""
    candidates = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix.lower() in (".csv", ".txt"))
    files = []
    for candidate in candidates:
        known = format_of(candidate, wanted)
        if isinstance(known, Unmatched):
            place = candidate.relative_to(path) if candidate != path else candidate.name
            console.print(f"skipped {place}: {known.reason.splitlines()[0]}", markup=False, highlight=False, soft_wrap=True)
        else:
            files.append(FileEvents(candidate, known))
    return files


def in_time_order(files: list[FileEvents]) -> Iterator[tuple[FileEvents, Row]]:
    """Rows of all files merged by event time; the same order on every run."""

    def tagged(number: int, file: FileEvents) -> Iterator[tuple[float, int, Row]]:
        return ((row.time, number, row) for row in file.ordered())

    streams = [tagged(number, file) for number, file in enumerate(files)]
    return ((files[number], row) for _, number, row in heapq.merge(*streams, key=lambda item: item[:2]))


class Replay:
    """One run. `run` returns False when it was interrupted; every row before the noted position is acknowledged."""

    def __init__(self, files: list[FileEvents], speed: float | None, stopping: threading.Event) -> None:
        self._files, self._speed, self._stopping = files, speed, stopping
        self.position = Position(files)
        self.rows = self.events = self.no_event = self.done = 0
        self._sink = KafkaSink()

    @property
    def dead_letters(self) -> int:
        """Rows too large for an event."""
        return self._sink.dead_letters

    def run(self, start: int, total: int, bar: Progress) -> bool:
        """Send the rows from number `start` on. Raises NotAcknowledged."""
        task = bar.add_task("", total=total, completed=start, day="")
        began, first, saved = time.monotonic(), None, time.monotonic()
        self.done = start
        for number, (file, row) in enumerate(in_time_order(self._files)):
            if number < start:
                continue
            first = row.time if first is None else first
            if self._stopping.is_set() or not self._wait_for(row.time - first, began):
                break
            self.rows += 1
            if row.payload is None:
                self.no_event += 1
            else:
                self._sink.send(file.event(row))
                self.events += 1
            if self.rows % 200 == 0 and time.monotonic() - saved > SAVE_SECONDS:
                self._save(start, total)
                saved = time.monotonic()
            if self.rows % 200 == 0 or self._speed:
                day = datetime.fromtimestamp(row.time, UTC).date().isoformat()
                bar.update(task, completed=start + self.rows, day=day)
        self._save(start, total)
        bar.update(task, completed=self.done)
        return self.done == total

    def _save(self, start: int, total: int) -> None:
        self._sink.flush()
        self.done = start + self.rows
        self.position.save(self.done, total)

    def _wait_for(self, event_seconds: float, began: float) -> bool:
        """Sleep until event time has come at the chosen speed; False when stopped meanwhile."""
        if self._speed is None:
            return True
        return not self._stopping.wait(max(0.0, event_seconds / self._speed - (time.monotonic() - began)))


def total_rows(files: list[FileEvents]) -> int:
    """Rows and cells of all files."""
    return sum(file.count() for file in files)


def main(
    path: Annotated[Path, typer.Argument(help="a published file, or a folder of such files", exists=True)],
    format_name: Annotated[str | None, typer.Option("--format", help="only this format of conf/sources")] = None,
    speed: Annotated[str, typer.Option(help="max, or event time per second: 1d/s, 12h/s")] = "max",
    restart: Annotated[bool, typer.Option("--restart", help="from the first row, although rows are noted as sent")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the summary as JSON")] = False,
) -> None:
    """Replay published files. Interrupted (exit 130), the next run goes on where this one stopped."""
    pace = speed_of(speed)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        files = found_files(path, format_name)
    except FormatError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(2) from None
    if not files:
        console.print("no file of a known format; conf/sources names them", markup=False)
        raise typer.Exit(1)
    raise typer.Exit(replay(files, pace, restart, as_json, stopping))


def replay(files: list[FileEvents], pace: float | None, restart: bool, as_json: bool, stopping: threading.Event) -> int:
    """Run and tell; the exit code."""
    position = Position(files)
    noted = {"rows": 0, "of": 0} if restart else position.load()
    if noted["of"] and noted["rows"] == noted["of"]:
        console.print(f"already replayed ({noted['rows']} rows); --restart sends them again", markup=False)
        return 0
    began = time.monotonic()
    work = Replay(files, pace, stopping)
    columns = (TextColumn("replay {task.fields[day]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        create_topics(topics())
        with Progress(*columns, console=console, refresh_per_second=4) as bar:
            complete = work.run(noted["rows"], noted["of"] or total_rows(files), bar)
    except Unreadable as error:
        console.print(f"{error}\nrepair or remove the file, then run this again", markup=False)
        return 1
    except (NotAcknowledged, KafkaException) as error:
        console.print(f"Kafka did not acknowledge: {error}\nstart it with ./run.sh up, then run this again", markup=False)
        return 4
    seconds = time.monotonic() - began
    summary = {
        "files": len(files),
        "rows": work.rows,
        "events": work.events,
        "no_event": work.no_event,
        "dead_letters": work.dead_letters,
        "position": work.done,
        "seconds": round(seconds, 2),
        "finished_at": rfc3339(datetime.now(UTC)),
    }
    line = f"replayed {work.events} events of {work.rows} rows ({work.no_event} without a value) in {seconds:.1f} s"
    print(orjson.dumps(summary).decode() if as_json else line, flush=True)
    if not complete:
        console.print("interrupted; the same command goes on from here", markup=False)
    return 0 if complete else 130


if __name__ == "__main__":
    sys.argv[0] = "./run.sh replay"
    typer.run(main)
