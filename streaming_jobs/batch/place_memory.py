"""What the events of a place are compared with: the ids that have landed there, and its kind's validator.

It lives in the process that judges the place, from batch to batch. Another process, or the same after a
start, begins with its own older memory, or with the file that some process has saved, or with nothing, and
reads the rest from bronze and silver, which hold everything.

A file is saved before a batch, when every batch that it remembers is committed. Its lines: SHA-256 of the
rest; JSON (to what it belongs, the time of its newest batch, files of the ids with their SHA-256, and the
names of the tables); the validator's tables as Arrow streams, one after the other.
"""

import hashlib
import json
import logging
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

import lakehouse.validation
from conf.runtime.status_files import write_bytes
from conf.settings import settings
from lakehouse.arrow import ordered
from lakehouse.bronze.events import with_identity
from lakehouse.contracts.contract import kinds
from lakehouse.io.delta import open_table
from lakehouse.io.query import run_sql
from lakehouse.paths import REBUILD
from lakehouse.validation import Validator, ValidatorState
from streaming_jobs.batch.batch_time import chunks
from streaming_jobs.batch.corrected_events import validated_at
from streaming_jobs.batch.event_ids import CLASSIFIED, EventIds, Run
from streaming_jobs.batch.judge import Known
from streaming_jobs.batch.kind_result import ARRIVAL_ORDER
from streaming_jobs.batch.place import Place, kind_of_place, rows_at

log = logging.getLogger("lumbung.memory")
EVENTS_AT_ONCE = 1_000_000  # their ids and hashes take about 100 MB
# Between two files of a place at least so long, and so much longer that writing takes SHARE_OF_TIME at most.
LEAST_SECONDS = 10.0
SHARE_OF_TIME = 0.01


def memory_folder() -> Path:
    """The files of all places: in `state`, or in the lake where executors share that alone.

    With a lake on an object store each machine has its own: what it lacks is read from the tables. A lake
    that is written again has others than the stream.
    """
    lake = settings().lake_root
    shared = settings().stream.on_cluster and "://" not in lake
    name = "places_again" if lake.endswith(REBUILD) else "places"
    return Path(lake, f"_{name}") if shared else settings().state_dir / name


def folder_of(place: Place) -> Path:
    """The files of one place."""
    topic, partition = place
    return memory_folder() / (f"{topic}-{partition}" if topic else "older-topics")


def forget_saved() -> None:
    """Delete the files: the tables were written again."""
    shutil.rmtree(memory_folder(), ignore_errors=True)


@cache
def code_version() -> str:
    """Fingerprint of the code that remembers and judges."""
    digest = hashlib.sha256()
    for folder in (Path(lakehouse.validation.__file__).parent, Path(__file__).parent):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


@dataclass
class PlaceMemory:
    """`upto`: time of the newest batch that it holds; None while it holds none."""

    place: Place
    known: Known
    upto: datetime | None = None
    saved: datetime | None = None  # `upto` of its newest file
    due: float = 0.0  # monotonic time from which on it is saved again

    def catch_up(self, before: datetime) -> None:
        """Read what landed after `upto` in batches before that time."""
        times = pc.field("ingested_at") < before
        if self.upto:
            times &= pc.field("ingested_at") > self.upto
        bronze = open_table("bronze.events").to_pyarrow_dataset().filter(rows_at(self.place) & times)
        kind = kind_of_place(self.place)
        for rows in landed_ids(bronze):
            if self.known.ids is not None:
                self.known.ids.classify(kind, *(rows[name].to_pylist() for name in CLASSIFIED))
        if self.known.validator is not None:
            remember_silver(self.known.validator, kind, validated_at(self.place, times))


def remember_silver(validator: Validator, kind: str, condition: pc.Expression) -> None:
    """Let the validator of a kind remember those rows of its silver table."""
    silver = open_table(kinds()[kind].table).to_pyarrow_dataset()
    for batch in silver.to_batches(columns=list(validator.columns), filter=condition):
        if batch.num_rows:
            validator.load(pa.Table.from_batches([batch]))


def landed_ids(bronze: ds.Dataset) -> Iterator[pa.Table]:
    """CLASSIFIED of rows of bronze in order of arrival, about EVENTS_AT_ONCE in memory at once."""
    sql = "select ingested_at, count(*) as events from bronze group by ingested_at order by ingested_at"
    batches = run_sql(sql, {"bronze": bronze}).to_pylist()
    read = ["kind", "event_id", "source", "value", "other_headers", *ARRIVAL_ORDER]
    for times in chunks([(row["ingested_at"], row["events"], 0) for row in batches], EVENTS_AT_ONCE):
        of_times = (pc.field("ingested_at") >= times[0]) & (pc.field("ingested_at") <= times[-1])
        parts = [
            with_identity(pa.Table.from_batches([rows])).select([*CLASSIFIED, *ARRIVAL_ORDER])
            for rows in bronze.to_batches(columns=read, filter=of_times)
            if rows.num_rows
        ]
        yield ordered(pa.concat_tables(parts), *ARRIVAL_ORDER)


class Memories:
    """The memories of a process for one run of the stream."""

    def __init__(self, owner: dict[str, str]) -> None:
        """`owner`: what saved files must belong to."""
        self._owner = owner | {"code": code_version()}
        self._held: dict[Place, PlaceMemory] = {}

    def take(
        self, place: Place, last: datetime | None, newest: datetime | None, now: datetime
    ) -> PlaceMemory:
        """The memory of a place before the batch of the time `now`; it is nobody's until `keep`.

        `last`: time of the batch before; `newest`: of the newest batch with events of the place. None: there
        is no such batch.
        """
        memory = self._held.pop(place, None)
        if memory is None or (memory.upto and memory.upto >= now):  # an attempt that was not finished
            memory = self._restored(place, last)
        if newest and (memory.upto is None or memory.upto < newest):
            memory.catch_up(now)
            memory.upto = last
        if memory.upto and memory.upto != memory.saved and time.monotonic() >= memory.due:
            self.save(memory)
        return memory

    def keep(self, memory: PlaceMemory, upto: datetime) -> None:
        """The memory now holds the batch of that time."""
        memory.upto = upto
        self._held[memory.place] = memory

    def save_all(self) -> None:
        """Save what has changed since: the stream has ended, and its last batch is committed."""
        for memory in self._held.values():
            if memory.upto != memory.saved:
                self.save(memory)

    def save(self, memory: PlaceMemory) -> None:
        """Write the file of a memory; without it the next process reads more of the tables."""
        began = time.monotonic()
        folder = folder_of(memory.place)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_memory(folder, self._owner, memory)
        except OSError as error:
            log.warning("the memory of %s was not saved (%s)", folder.name, error)
        memory.saved = memory.upto
        now = time.monotonic()
        memory.due = now + max(LEAST_SECONDS, (now - began) / SHARE_OF_TIME)

    def _restored(self, place: Place, last: datetime | None) -> PlaceMemory:
        """The memory of the newest file; an empty one without a file that can be used."""
        memory = PlaceMemory(place, Known.nothing(kind_of_place(place)))
        file = max(folder_of(place).glob("*.memory"), default=None)
        if file is None or last is None:
            return memory
        refusal = read_memory(file, self._owner, last, memory)
        if refusal:
            log.warning("%s/%s %s: bronze and silver are read", file.parent.name, file.name, refusal)
            file.unlink(missing_ok=True)
            return PlaceMemory(place, Known.nothing(kind_of_place(place)))
        return memory


def write_memory(folder: Path, owner: dict[str, str], memory: PlaceMemory) -> None:
    """Write a new file, and delete the older ones with the ids that only they name."""
    ids = memory.known.ids
    validator = memory.known.validator
    assert memory.upto is not None and ids is not None  # noqa: S101
    state = validator.state() if validator else {}
    streams = pa.BufferOutputStream()
    for table in state.values():
        with pa.ipc.new_stream(streams, table.schema) as writer:
            writer.write_table(table)
    runs = [stored_run(folder, ids, nth) for nth in range(len(ids.runs))]
    header = {
        "owner": owner,
        "upto": memory.upto.isoformat(),
        "runs": runs,
        "tables": list(state),
    }
    content = json.dumps(header).encode() + b"\n" + streams.getvalue().to_pybytes()
    file = folder / f"{memory.upto:%Y%m%dT%H%M%S%f}.memory"
    write_bytes(file, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    named = {run["file"] for run in runs} | {file.name}
    for other in folder.iterdir():
        if other.name not in named and (other.suffix == ".npy" or other.name < file.name):
            other.unlink(missing_ok=True)


def stored_run(folder: Path, ids: EventIds, nth: int) -> dict[str, str]:
    """Name and SHA-256 of the file of a run of ids, which is written once and then mapped.

    Another process that has judged the place since may have deleted it.
    """
    run = ids.runs[nth]
    if not isinstance(run, StoredRun) or not (folder / run.name).exists():
        file = folder / f"{uuid.uuid4().hex}.npy"
        np.save(file, run)
        ids.runs[nth] = run = mapped_run(file, digest_of(run))
    return {"file": run.name, "sha256": run.digest}


def digest_of(run: Run) -> str:
    """SHA-256 of a run, which is not copied for it."""
    return hashlib.sha256(run.view(np.uint8).data).hexdigest()


class StoredRun(np.memmap):
    """A run that is mapped from its file."""

    name: str
    digest: str


def mapped_run(file: Path, digest: str) -> StoredRun:
    """Raises OSError or ValueError when the file is not there or cut."""
    run: StoredRun = np.load(file, mmap_mode="r").view(StoredRun)
    run.name = file.name
    run.digest = digest
    return run


def read_memory(file: Path, owner: dict[str, str], last: datetime, memory: PlaceMemory) -> str:
    """Fill the memory from the file. Returns why it cannot be used; empty when it was."""
    digest, _, content = file.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        return "is damaged (checksum)"
    header, _, streams = content.partition(b"\n")
    noted = json.loads(header)
    if noted["owner"] != owner:
        other = [name for name, value in owner.items() if noted["owner"].get(name) != value]
        return f"is of another {' and '.join(other)}"
    upto = datetime.fromisoformat(noted["upto"])
    if upto > last:
        return "is of a batch that the tables do not hold"
    try:
        runs = [mapped_run(file.parent / run["file"], run["sha256"]) for run in noted["runs"]]
    except (OSError, ValueError) as error:
        return f"lacks ids ({error})"
    if any(digest_of(run) != run.digest for run in runs):
        return "has damaged ids (checksum)"
    tables = pa.BufferReader(streams)
    state: ValidatorState = {name: pa.ipc.open_stream(tables).read_all() for name in noted["tables"]}
    memory.known.ids = EventIds(runs)
    if memory.known.validator:
        memory.known.validator.restore(state)
    memory.upto = memory.saved = upto
    return ""
