"""Whether a table's files are those that were written: its log, its data files, their checksums.

Parquet as delta-rs writes it has no checksums: a flipped bit may change a value unseen. So a background job
notes the checksum of every new file and compares some files every hour; `doctor --deep` compares all.
"""

import errno
import logging
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import local_files, open_if_exists, table_uri

log = logging.getLogger("lumbung.table_files")
CHUNK_BYTES = 1 << 22
COMPARED_SECONDS = 3600.0  # between two turns of FileComparison
COMPARED_BYTES = 1 << 26  # of one turn: a second of reading, and 1.5 GB a day
ALTERED = "is not what was written (checksum)"
UNREADABLE = "its log cannot be read"
Notes = dict[str, Any]  # table_id, version, checksums: path -> CRC-32
# What a log, a data file or a value raises that is not as it was written. Arrow's own errors have no number.
DAMAGE = (DeltaError, OSError, pa.ArrowException, UnicodeDecodeError, OverflowError)
DAMAGE_NUMBERS = (None, errno.ENOENT, errno.EIO)


class UnreadableTable(Exception):
    """A file of a table is missing, cut or altered."""

    def __init__(self, table: str, cause: str) -> None:
        super().__init__(f"{table} cannot be read ({cause}): ./run.sh doctor --deep names the remedy")
        self.table = table


@contextmanager
def reading(table: str) -> Iterator[None]:
    """Raises UnreadableTable for damage to a file of the table; others, as too many open files, pass."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) not in DAMAGE_NUMBERS:
            raise
        raise UnreadableTable(table, _first_line(error)) from error


def check_values(rows: pa.Table) -> None:
    """Raises one of DAMAGE when a text is no UTF-8 or a time lies outside the calendar.

    Arrow reads such values without an error; they would fail when they become values of Python.
    """
    rows.validate(full=True)
    for column in rows.columns:
        if pa.types.is_temporal(column.type) and len(column):
            pc.min_max(column).as_py()


def notes_file() -> Path:
    """What `Notebook` notes of each table."""
    return settings().state_dir / "table_files.json"


def altered_file() -> Path:
    """What `FileComparison` saw: table -> data files whose bytes are not those that were noted."""
    return settings().state_dir / "altered_files.json"


def faults(table: str, deep: bool = False, lag: bool = True) -> list[str]:
    """What is wrong with the files of a table; empty for a table without any file.

    `deep`: also reads every data file. A file that was not noted yet is decoded instead of compared.
    `lag`: an older version than was noted counts as a fault.
    """
    return examined(table, deep, lag)[1]


def examined(table: str, deep: bool = False, lag: bool = True) -> tuple[DeltaTable | None, list[str]]:
    """The table at its newest version, None where its log cannot be read or is absent; and its `faults`."""
    try:
        opened = open_if_exists(table)
        if opened is None:
            folder = Path(table_uri(table))
            is_left = folder.exists() and any(folder.iterdir())
            return None, [f"{UNREADABLE} (it is missing)"] if is_left else []
        sizes = _data_files(opened)
    except (DeltaError, OSError, ValueError) as error:
        return None, [f"{UNREADABLE} ({_first_line(error)})"]
    noted: Notes = (read_json(notes_file()) or {}).get(table, {})
    if noted.get("table_id") != str(opened.metadata().id):
        noted = {}
    storage = _storage(table)
    return opened, [
        *_faults_of_log(opened, storage, noted.get("version", 0) if lag else 0),
        *(
            f"{path} {fault}"
            for path, (size, rows) in sizes.items()
            if (fault := _fault_of_file(storage, path, size, rows, noted.get("checksums", {}), deep))
        ),
    ]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _storage(table: str) -> fs.FileSystem:
    uri = table_uri(table)
    return local_files(uri) or fs.PyFileSystem(DeltaStorageHandler(uri))


def _data_files(opened: DeltaTable) -> dict[str, tuple[int, int | None]]:
    """Path below the table -> bytes and rows, of the files of its version."""
    actions = pa.table(opened.get_add_actions(flatten=True)).select(["path", "size_bytes", "num_records"])
    return {unquote(row["path"]): (row["size_bytes"], row["num_records"]) for row in actions.to_pylist()}


def _faults_of_log(opened: DeltaTable, storage: fs.FileSystem, noted_version: int) -> Iterator[str]:
    """Commits that are missing or empty. delta-rs reads an empty commit as one without rows."""
    version = opened.version()
    if version < noted_version:
        yield f"it is at version {version}, it was at {noted_version}: its newest commits are missing"
    files = {file.base_name: file.size for file in storage.get_file_info(fs.FileSelector("_delta_log"))}
    since = max(
        (int(name[:20]) for name in files if ".checkpoint" in name and name[:20].isdigit()), default=-1
    )
    for name, size in sorted(files.items()):
        number, _, suffix = name.partition(".")
        if suffix == "json" and number.isdigit() and int(number) > since and not size:
            yield f"commit {int(number)} is empty"


def _fault_of_file(
    storage: fs.FileSystem, path: str, size: int, rows: int | None, checksums: dict[str, int], deep: bool
) -> str:
    info = storage.get_file_info(path)
    if info.type is not fs.FileType.File:
        return "is missing"
    if info.size != size:
        return f"has {info.size} bytes, it had {size}"
    if not deep:
        return ""
    if path in checksums:
        return "" if checksum(storage, path) == checksums[path] else ALTERED
    try:
        with storage.open_input_file(path) as file:
            decoded = sum(batch.num_rows for batch in pq.ParquetFile(file).iter_batches())
    except (OSError, ValueError) as error:
        return f"cannot be read ({_first_line(error)})"
    return "" if rows in (None, decoded) else f"holds {decoded} rows, its commit says {rows}"


def checksum(storage: fs.FileSystem, path: str) -> int:
    """CRC-32 of the file."""
    value = 0
    with storage.open_input_stream(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            value = zlib.crc32(chunk, value)
    return value


def remedy_of(table: str) -> str:
    """How a table with broken files is repaired."""
    contract = contracts()[table]
    if not contract.kept_by_rebuild:
        return "./run.sh rebuild silver writes it again from bronze"
    if contract.refreshed == "training":
        return f"restore it from a backup, or move {table_uri(table)} away: ./run.sh train writes it again"
    return "restore lake and state from a backup: no other table holds its rows"


def damage_of_tables() -> str:
    """The first table with damaged files, with its remedy; empty without any. Reads every file."""
    for table in contracts():
        if problems := faults(table, deep=True):
            return f"{table}: {problems[0]}; remedy: {remedy_of(table)}"
    return ""


class Notebook:
    """Notes version and checksums of every table. What was noted of a file never changes."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int]] = {}  # table -> its id and version at the last look
        self._notes: dict[str, Notes] = read_json(notes_file()) or {}

    def update(self) -> None:
        """Look at the tables with new commits. A table that cannot be read keeps its notes."""
        changed = [table for table in contracts() if self._note(table)]
        if changed:
            write_json(notes_file(), self._notes)

    def _note(self, table: str) -> bool:
        try:
            opened = open_if_exists(table)
        except (DeltaError, OSError) as error:
            log.warning("%s cannot be read (%s): ./run.sh doctor names the remedy", table, _first_line(error))
            return False
        if opened is None:
            return False
        seen = (str(opened.metadata().id), opened.version())
        if self._seen.get(table) == seen:
            return False
        noted = self._notes.get(table, {})
        if noted.get("table_id") != seen[0]:
            noted = {"version": 0, "checksums": {}}
        storage = _storage(table)
        known: dict[str, int] = noted["checksums"]
        checksums = {}
        for path, (size, _) in _data_files(opened).items():
            if path in known:
                checksums[path] = known[path]
            elif storage.get_file_info(path).size == size:  # else missing or cut: nothing to rely on
                checksums[path] = checksum(storage, path)
        self._notes[table] = {
            "table_id": seen[0],
            "version": max(seen[1], noted["version"]),
            "checksums": checksums,
        }
        self._seen[table] = seen
        return True


class FileComparison:
    """Compares noted checksums with the files, some of them every hour, each in its turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + COMPARED_SECONDS
        # A share of all files; by chance, so that a process that is often restarted reaches all of them too.
        self._next = random.random()  # noqa: S311

    def take_turn(self) -> None:
        """Compare the next files if an hour has passed, and note those that are altered."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + COMPARED_SECONDS
        notes: dict[str, Notes] = read_json(notes_file()) or {}
        files = [(table, path) for table, noted in notes.items() for path in noted["checksums"]]
        first = int(self._next * len(files))
        altered: dict[str, list[str]] = read_json(altered_file()) or {}
        left = COMPARED_BYTES
        compared = 0
        for table, path in (*files[first:], *files[:first]):
            if left <= 0:
                break
            size, is_altered = _compared(table, path, notes[table]["checksums"][path])
            left -= size
            compared += 1
            if is_altered and path not in altered.get(table, []):
                log.error("%s: %s is not what was written: ./run.sh doctor has the remedy", table, path)
                altered.setdefault(table, []).append(path)
                write_json(altered_file(), altered)
        self._next = ((first + compared) % len(files)) / len(files) if files else 0.0


def altered_files(table: str) -> list[str]:
    """Faults that `FileComparison` noted of a table's files and that are still there."""
    checksums = (read_json(notes_file()) or {}).get(table, {}).get("checksums", {})
    paths = (read_json(altered_file()) or {}).get(table, [])
    known = [path for path in paths if path in checksums]
    return [f"{path} {ALTERED}" for path in known if _compared(table, path, checksums[path])[1]]


def _compared(table: str, path: str, noted: int) -> tuple[int, bool]:
    """Size of a data file, and whether its bytes are others than noted; a removed file is not altered."""
    storage = _storage(table)
    info = storage.get_file_info(path)
    if info.type is not fs.FileType.File:
        return 0, False
    return info.size, checksum(storage, path) != noted
