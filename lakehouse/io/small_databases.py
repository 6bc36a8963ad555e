"""The SQLite files of a home: whether each can be read, and what to do about one that cannot."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from conf.settings import settings

BUSY_SECONDS = 5
DELETE = "./run.sh down, delete {file}, ./run.sh up; {lost}"
LOST = {  # file in state/ that can be made again -> what it held
    "answers.sqlite": "responses kept for an Idempotency-Key are lost; a repeated event keeps its id",
    "alert_deliveries.sqlite": "messages about alerts that are open may be sent again",
    "training.sqlite": "training jobs that waited are lost",
    "personal_jobs.sqlite": "jobs of persons that waited are lost",
}
FROM_BACKUP = "./run.sh down, put back {file} from a backup, ./run.sh up"
IDENTITY = "identity.sqlite"
WITHOUT_BACKUP = (
    "; without a backup delete it: all accounts, devices and their audit are lost, "
    "and ./run.sh user create begins again"
)
MIGRATIONS = Path(__file__).parent / "identity" / "migrations" / "versions"  # v<version>_<name>.py


@dataclass(frozen=True)
class DamagedDatabase:
    """A file that is no database any more, what SQLite says about it, and the remedy."""

    file: Path
    fault: str
    remedy: str


class DamagedDatabaseError(Exception):
    """A small database of this home is damaged; the message names file and remedy."""


def database_files() -> list[Path]:
    """The SQLite files that exist; accounts or runs may be on a server instead."""
    files = [*(settings().state_dir / name for name in (*LOST, IDENTITY))]
    return [file for file in (*files, settings().mlflow_dir / "mlflow.db") if file.is_file()]


def damaged_databases() -> Iterator[DamagedDatabase]:
    """Those that SQLite's quick check refuses, with the remedy."""
    for file in database_files():
        if fault := fault_of(file):
            yield DamagedDatabase(file, fault, remedy_of(file))


def fault_of(file: Path) -> str | None:
    """What is wrong with the pages of a database; None when it is sound, or busy with a long write."""
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as database:
            result: str = database.execute("pragma quick_check(1)").fetchone()[0]
            if result == "ok" and file.name == IDENTITY:
                result = _version_fault(database) or result
    except sqlite3.DatabaseError as error:
        return None if error.sqlite_errorcode == sqlite3.SQLITE_BUSY else str(error)
    return None if result == "ok" else " ".join(result.split())


def _version_fault(database: sqlite3.Connection) -> str | None:
    """What is wrong with the version of the tables of accounts; None for one that a migration knows."""
    if not database.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchone():
        return None  # empty, or a start was killed before it had created them
    for (version,) in database.execute("select version_num from alembic_version"):
        if not any(MIGRATIONS.glob(f"v{version}_*.py")):
            return f"another version of Lumbung wrote it: {version}"
    return None


def remedy_of(file: Path) -> str:
    """What to do when the file is damaged."""
    if file.name in LOST:
        return DELETE.format(file=file, lost=LOST[file.name])
    return FROM_BACKUP.format(file=file) + (WITHOUT_BACKUP if file.name == IDENTITY else "")


def refuse_damaged_databases() -> None:
    """Raises DamagedDatabaseError, whose message has a line for each file."""
    lines = [f"{each.file} is damaged ({each.fault}); remedy: {each.remedy}" for each in damaged_databases()]
    if lines:
        raise DamagedDatabaseError("\n".join(lines))
