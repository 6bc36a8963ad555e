"""`replay`: send the rows of published files in event-time order, at a chosen speed, resumable."""

import hashlib
import heapq
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from confluent_kafka import KafkaException
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import stopped_by_signals
from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.contracts.payload_check import UNKNOWN_FIELD, faults
from lakehouse.event import topics
from lakehouse.io.kafka import NotAcknowledged, create_topics
from lakehouse.io.source_files.file_events import FileEvents, Unreadable
from lakehouse.io.source_files.file_rows import Row
from lakehouse.io.source_files.formats import FormatError, format_of, source_formats
from lakehouse.io.source_files.source_format import SourceFormat
from lakehouse.io.source_files.unknown_names import UnknownNames
from lakehouse.io.terminal import console, fail, translated
from lakehouse.strange_text import visible
from lakehouse.times import rfc3339
from producers.publish import KafkaSink

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SPEED_UNITS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SAVE_SECONDS = 2.0
log = logging.getLogger("lumbung.replay")


def speed_of(text: str) -> float | None:
    """Seconds of event time per second: `1d/s` -> 86400, `max` -> None. Raises typer.BadParameter."""
    if text == "max":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])/s", text)
    if not match or float(match[1]) == 0:
        raise typer.BadParameter(translated("give max, or event time per second: 1d/s, 12h/s, 90m/s"))
    return float(match[1]) * SPEED_UNITS_SECONDS[match[2]]


def position_file(files: list[FileEvents]) -> Path:
    """Where a replay of these files stores how many rows are acknowledged, of how many, for the next run."""
    identity = "\n".join(sorted(f"{file.name} {file.sha256} {file.format.name}" for file in files))
    return settings().home / "replay" / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"


def files_at(path: Path, wanted: str | None) -> list[FileEvents]:
    """Files of known formats at `path`, a file or a folder; others are reported and skipped."""
    candidates = [path]
    if not path.is_file():
        candidates = sorted(file for file in path.rglob("*") if file.suffix.lower() in (".csv", ".txt"))
    files = []
    for candidate in candidates:
        file_format = format_of(candidate, wanted)
        if isinstance(file_format, SourceFormat):
            files.append(FileEvents(candidate, file_format))
            continue
        name = candidate.relative_to(path) if candidate != path else candidate.name
        console.print(f"skipped {name}: {shown_reason(file_format.reason)}", markup=False, soft_wrap=True)
    return files


def shown_reason(reason: str) -> str:
    """The first line of the reason, and the names to copy if any."""
    first, _, rest = reason.partition("\n")
    return reason if rest.startswith("# ") else first


def check(files: list[FileEvents], as_json: bool) -> ExitCode:
    """Read all files and print what would be sent.

    FAILED when a name is in no reference list, or every event of a file would be refused for one reason.
    """
    names = UnknownNames()
    reports = [_report(file, names) for file in files]
    for report in reports:
        line = "{file}: format {format}, {events} events, the first {first}".format(**report)
        print(orjson.dumps(report).decode() if as_json else translated(line), flush=True)
        for refusal in report["refused"]:
            line = "{file}: {events} events would be refused, from row {row} on: {rule}, {message}"
            console.print(
                translated(line.format(file=report["file"], **refusal)), markup=False, soft_wrap=True
            )
    report_names(names, as_json)
    refused = any(
        refusal["events"] == report["events"] for report in reports for refusal in report["refused"]
    )
    return ExitCode.FAILED if names or refused else ExitCode.DONE


def _report(file: FileEvents, names: UnknownNames) -> dict[str, Any]:
    """Format, number of events, the first one, and by rule those that would be refused by themselves."""
    events = 0
    sample: dict[str, object] = {}
    refused: dict[str, dict[str, Any]] = {}
    for row in file.rows():
        if row.payload is None:
            continue
        events += 1
        sample = sample or row.payload
        names.note(row.kind, row.payload)
        for fault in faults(row.payload, [row.kind]):
            if fault.code == UNKNOWN_FIELD:  # the stream only warns
                continue
            first = {"rule": fault.code, "events": 0, "row": row.position, "message": fault.message}
            refused.setdefault(fault.code, first)["events"] += 1
    return {
        "file": file.name,
        "format": file.format.name,
        "events": events,
        "first": sample,
        "refused": list(refused.values()),
    }


def report_names(names: UnknownNames, as_json: bool) -> None:
    """Print the entries that the reference lists lack, if any: on stdout, with JSON there on stderr."""
    if names:
        hint = (
            "names that no reference list has; complete the entries and copy them, then start the stack "
            "again. Events that were sent: ./run.sh replay-quarantine"
        )
        console.print(hint, markup=False, soft_wrap=True)
        print(visible(names.yaml()), file=sys.stderr if as_json else sys.stdout, flush=True)


def in_time_order(files: list[FileEvents]) -> Iterator[tuple[FileEvents, Row]]:
    """Rows of all files merged by event time; the same order on every run."""

    def tagged(number: int, file: FileEvents) -> Iterator[tuple[float, int, Row]]:
        return ((row.time, number, row) for row in file.ordered())

    streams = [tagged(number, file) for number, file in enumerate(files)]
    return ((files[number], row) for _, number, row in heapq.merge(*streams, key=lambda item: item[:2]))


class Replay:
    """One run. Every row before the stored position is acknowledged."""

    def __init__(self, files: list[FileEvents], speed: float | None, stopping: threading.Event) -> None:
        self._files = files
        self._speed = speed
        self._stopping = stopping
        self._position = position_file(files)
        self.rows = 0  # of this run
        self.events = 0
        self.no_event = 0
        self.done = 0  # rows acknowledged, those of earlier runs included
        self.unknown_names = UnknownNames()
        self.sink = KafkaSink()

    def run(self, start: int, total: int, bar: Progress) -> bool:
        """Send the rows from number `start`; False when interrupted. Raises NotAcknowledged."""
        task = bar.add_task("", total=total, completed=start, day="")
        began = time.monotonic()
        saved = began
        first: float | None = None
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
                self.sink.send(file.event(row))
                self.unknown_names.note(row.kind, row.payload)
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
        self.sink.flush()
        self.done = start + self.rows
        write_json(self._position, {"rows": self.done, "of": total})

    def _wait_for(self, event_seconds: float, began: float) -> bool:
        """Sleep until the event is due at the chosen speed; False when stopped meanwhile."""
        if self._speed is None:
            return True
        return not self._stopping.wait(max(0.0, event_seconds / self._speed - (time.monotonic() - began)))


@app.command()
def main(
    path: Annotated[Path, typer.Argument(help="a published file, or a folder of such files", exists=True)],
    format_name: Annotated[
        str | None, typer.Option("--format", help="read only files of this format of conf/sources")
    ] = None,
    speed: Annotated[str, typer.Option(help="max, or event time per second: 1d/s, 12h/s")] = "max",
    restart: Annotated[
        bool, typer.Option("--restart", help="start from the first row, also when rows were sent before")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")] = False,
    only_check: Annotated[
        bool, typer.Option("--check", help="send nothing: show formats, events and unknown names")
    ] = False,
) -> None:
    """Replay published files. After an interruption (exit 130) the next run resumes."""
    pace = speed_of(speed)
    stopping = stopped_by_signals(log)
    for fault in source_formats().faults.values():
        console.print(f"a format is not usable: {fault}", markup=False, soft_wrap=True)
    try:
        files = files_at(path, format_name)
    except FormatError as error:
        fail(str(error), ExitCode.USAGE)
    if not files:
        fail("no file of a known format; conf/sources lists the formats", ExitCode.FAILED)
    if only_check:
        raise typer.Exit(check(files, as_json))
    raise typer.Exit(replay(files, pace, restart, as_json, stopping))


def replay(
    files: list[FileEvents], pace: float | None, restart: bool, as_json: bool, stopping: threading.Event
) -> ExitCode:
    """Run and print the summary; returns the exit code."""
    stored: dict[str, int] | None = None if restart else read_json(position_file(files))
    position = stored or {"rows": 0, "of": 0}
    if position["of"] and position["rows"] == position["of"]:
        console.print(f"already replayed ({position['rows']} rows); --restart sends them again", markup=False)
        return ExitCode.DONE
    began = time.monotonic()
    work = Replay(files, pace, stopping)
    columns = (
        TextColumn("replay {task.fields[day]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        create_topics(topics())
        with Progress(*columns, console=console, refresh_per_second=4) as bar:
            complete = work.run(position["rows"], position["of"] or sum(file.count() for file in files), bar)
    except Unreadable as error:
        console.print(f"{error}\n  remedy: repair or remove the file, then run this again", markup=False)
        return ExitCode.FAILED
    except (NotAcknowledged, KafkaException) as error:
        remedy = "start it with ./run.sh up, then run this again"
        console.print(f"Kafka did not acknowledge: {error}\n  remedy: {remedy}", markup=False)
        return ExitCode.NOT_RUNNING
    seconds = time.monotonic() - began
    summary = {
        "files": len(files),
        "rows": work.rows,
        "events": work.events,
        "no_event": work.no_event,
        "dead_letters": work.sink.dead_letters,
        "position": work.done,
        "seconds": round(seconds, 2),
        "finished_at": rfc3339(datetime.now(UTC)),
    }
    line = (
        f"replayed {work.events} events of {work.rows} rows ({work.no_event} without a value) "
        f"in {seconds:.1f} s"
    )
    print(orjson.dumps(summary).decode() if as_json else translated(line), flush=True)
    report_names(work.unknown_names, as_json)
    if not complete:
        console.print("interrupted; the same command resumes from here", markup=False)
    return ExitCode.DONE if complete else ExitCode.INTERRUPTED


if __name__ == "__main__":
    app(prog_name="./run.sh replay")
