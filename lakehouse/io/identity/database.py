"""The database of accounts and devices: a SQLite file of this home, or PostgreSQL by DATABASE_URL."""

import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from conf.settings import settings

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 10  # a writer of SQLite waits so long for another one; then the caller may try again
LOCK_RETRY_SECONDS = 0.02
MIGRATION_LOCK = 7_316_052  # one process migrates at a time
ADVISORY_LOCK = text("select pg_advisory_xact_lock(:key)")


class StoreUnavailable(Exception):
    """The database cannot be reached, is busy for too long, is damaged, of another version, or has gone."""


def _identity(file: Path) -> tuple[int, int] | None:
    """Device and inode; None when there is no such file."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise  # an answer of the database, not a failure
    except (OSError, DBAPIError, PoolTimeout) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error  # without the statement
        raise StoreUnavailable((str(cause) or type(cause).__name__).splitlines()[0]) from error


class Database:
    """Sessions for reading and for writing; one per process and event loop.

    On SQLite a writing session holds the write lock from its start, so that what it reads stays true until
    its commit. On PostgreSQL, writers lock the rows that they depend on.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = make_url(url or settings().identity_url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._file = Path(self.url.database) if self.is_sqlite and self.url.database else None
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch(mode=0o600)
            self._opened = _identity(self._file)
        options: dict[str, Any] = (
            {"connect_args": {"timeout": BUSY_SECONDS}} if self.is_sqlite else {"pool_pre_ping": True}
        )
        self._engine = create_async_engine(self.url, **options)
        self._readers = self._engine.execution_options(reads_only=True)
        if self.is_sqlite:
            _configure_sqlite(self._engine)

    async def migrate(self) -> None:
        """Bring the tables to the current version. Can be repeated, also by several processes at once.

        Raises StoreUnavailable, also for tables of a version that this one does not know.
        """
        with _connected():
            async with self._engine.begin() as connection:
                await connection.run_sync(upgrade)

    async def reachable(self) -> bool:
        """Whether the database answers."""
        try:
            async with self.reading() as session:
                await session.execute(text("select 1"))
        except StoreUnavailable:
            return False
        return True

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that changes nothing. Raises StoreUnavailable."""
        self._require_file()
        with _connected():
            async with AsyncSession(self._readers, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session that is committed, or rolled back on an exception. Raises StoreUnavailable."""
        self._require_file()
        with _connected():
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session

    def _require_file(self) -> None:
        """Open connections go on with a file that was moved or removed: what they write would be lost."""
        if self._file is not None and _identity(self._file) != self._opened:
            raise StoreUnavailable(
                f"{self._file} was moved, removed or replaced: put it back, or ./run.sh down and up"
            )

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


async def hold(session: AsyncSession, key: int) -> None:
    """Other writers that hold the key go on after this session's commit; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(ADVISORY_LOCK, {"key": key})


def _configure_sqlite(engine: AsyncEngine) -> None:
    """Write-ahead log, foreign keys, and transactions that SQLAlchemy begins itself."""

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions late, and none before DDL
        cursor = connection.cursor()
        _use_write_ahead_log(cursor)
        for pragma in ("synchronous=full", "foreign_keys=on"):
            cursor.execute(f"pragma {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("begin" if reads_only else "begin immediate")


def _use_write_ahead_log(cursor: Any) -> None:
    """Raises OperationalError after BUSY_SECONDS: SQLite does not wait while another process does this."""
    for _ in range(int(BUSY_SECONDS / LOCK_RETRY_SECONDS)):
        try:
            cursor.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(LOCK_RETRY_SECONDS)
    cursor.execute("pragma journal_mode=wal")


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database lacks, inside the connection's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(ADVISORY_LOCK, {"key": MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, context: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection)
        try:
            environment.run_migrations()
        except CommandError as error:
            raise StoreUnavailable(
                f"another version of Lumbung wrote {connection.engine.url!r} ({error}): start that version, "
                "or move the store away and begin with a new one"
            ) from None
