"""The database of accounts and devices: a SQLite file of this home, or PostgreSQL by DATABASE_URL."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from conf.settings import settings
from lakehouse.io.identity.tables import IdentityTable

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30  # a writer of SQLite waits so long for another one
MIGRATION_LOCK = 7_316_052  # of PostgreSQL's advisory locks: one process migrates at a time


class StoreUnavailable(Exception):
    """The database cannot be reached, or has ended the connection."""


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except (OSError, InterfaceError, OperationalError) as error:
        raise StoreUnavailable(str(error).splitlines()[0]) from error


class Database:
    """Sessions for reading and for writing; one per process and event loop.

    On SQLite a writing session holds the write lock from its start, so that what it reads stays true until
    its commit. On PostgreSQL, writers lock the rows that they depend on.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = make_url(url or settings().identity_url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            Path(self.url.database).touch(mode=0o600)
        options: dict[str, Any] = (
            {"connect_args": {"timeout": BUSY_SECONDS}} if self.is_sqlite else {"pool_pre_ping": True}
        )
        self._engine = create_async_engine(self.url, **options)
        self._readers = self._engine.execution_options(reads_only=True)
        if self.is_sqlite:
            _configure_sqlite(self._engine)

    async def migrate(self) -> None:
        """Bring the tables to the current version. Can be repeated, also by several processes at once."""
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
        with _connected():
            async with AsyncSession(self._readers, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session that is committed, or rolled back on an exception. Raises StoreUnavailable."""
        with _connected():
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def _configure_sqlite(engine: AsyncEngine) -> None:
    """Write-ahead log, foreign keys, and transactions that SQLAlchemy begins itself."""

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions late, and none before DDL
        cursor = connection.cursor()
        for pragma in ("journal_mode=wal", "synchronous=full", "foreign_keys=on"):
            cursor.execute(f"pragma {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("begin" if reads_only else "begin immediate")


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database lacks, inside the connection's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, context: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(config, script, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, target_metadata=IdentityTable.metadata)
        environment.run_migrations()
