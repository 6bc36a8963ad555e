"""The identity store: migrations, foreign keys, and the hash chain of the audit under concurrent writers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import IntegrityError

from conf.settings import Settings
from lakehouse.io.identity import personal
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.knob_audit import audit_knobs, knob_texts
from lakehouse.io.identity.tables import ApiKey, AuditEntry, IdentityTable, User
from tests.support.identity.audit import chain_fault

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def on(url: str, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """The result of the work on a migrated database."""

    async def run() -> Any:
        database = Database(url)
        try:
            await database.migrate()
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def person(number: int = 1) -> User:
    return User(
        user_id=f"{number:032}",
        email=f"p{number}@example.id",
        locale="id",
        role="user",
        regions=["32"],
        followed_link=False,
        disabled=False,
        created_at=NOW,
    )


def key_of(user_id: str) -> ApiKey:
    return ApiKey(
        key_id="k", user_id=user_id, name="n", prefix="p", digest="0" * 64, scopes=["read"], created_at=NOW
    )


def test_migrations_give_the_tables_that_the_code_declares(database_url: str):
    async def differences(database: Database) -> Any:
        def compare(connection: Any) -> Any:
            return compare_metadata(MigrationContext.configure(connection), IdentityTable.metadata)

        async with database._engine.connect() as connection:
            return await connection.run_sync(compare)

    assert on(database_url, differences) == []


@pytest.mark.parametrize("version", ["0003", "9999"])
def test_store_of_another_version_is_refused_with_its_remedy_and_left_as_it_is(
    database_url: str, version: str
):
    async def refused() -> tuple[str, Any]:
        database = Database(database_url)
        await database.migrate()
        async with database._engine.begin() as connection:
            await connection.exec_driver_sql(f"update alembic_version set version_num = '{version}'")
        try:
            with pytest.raises(StoreUnavailable) as refusal:
                await database.migrate()
            async with database.reading() as session:
                return str(refusal.value), await session.scalar(
                    text("select version_num from alembic_version")
                )
        finally:
            await database.close()

    message, kept = asyncio.run(refused())
    assert (
        "another version of Lumbung wrote" in message and version in message and "move the store" in message
    )
    assert kept == version


def test_choice_of_the_monday_sheet_is_added_to_an_earlier_store_as_no(database_url: str):
    async def upgraded() -> bool:
        database = Database(database_url)
        await database.migrate()
        await personal.change_settings(database, "p1", "notifications", {"email": True, "weekly_sheet": True})
        async with database._engine.begin() as connection:
            await connection.exec_driver_sql("alter table personal_settings drop column weekly_sheet")
            await connection.exec_driver_sql("update alembic_version set version_num = '0006'")
        await database.migrate()
        settings = await personal.settings_of(database, "p1")
        await database.close()
        assert settings.email
        return settings.weekly_sheet

    assert asyncio.run(upgraded()) is False


def test_processes_that_start_at_once_migrate_once(database_url: str):
    async def together() -> list[str]:
        databases = [Database(database_url) for _ in range(4)]
        await asyncio.gather(*(database.migrate() for database in databases))
        async with databases[0].reading() as session:
            versions = list(await session.scalars(text("select version_num from alembic_version")))
        for database in databases:
            await database.close()
        return versions

    assert asyncio.run(together()) == ["0007"]


def test_rows_of_a_deleted_person_go_with_it_and_times_keep_their_zone(database_url: str):
    async def work(database: Database) -> tuple[datetime, int]:
        async with database.writing() as session:
            session.add(person())
            await session.flush()
            session.add(key_of(person().user_id))
        async with database.reading() as session:
            created_at = await session.scalar(select(User.created_at))
        async with database.writing() as session:
            await session.execute(delete(User))
            return created_at, await session.scalar(select(func.count()).select_from(ApiKey))

    assert on(database_url, work) == (NOW, 0)


def test_key_without_owner_is_refused(database_url: str):
    async def work(database: Database) -> None:
        async with database.writing() as session:
            session.add(key_of("nobody"))

    with pytest.raises(IntegrityError):
        on(database_url, work)


def test_concurrent_writers_append_to_one_chain_and_an_altered_entry_is_detected(database_url: str):
    async def append(database: Database, number: int) -> None:
        async with database.writing() as session:
            await record(session, f"u{number}", "user.role", "p1", detail={"role": "operator"})

    async def work(database: Database) -> tuple[int | None, int | None]:
        await asyncio.gather(*(append(database, number) for number in range(8)))
        async with database.reading() as session:
            intact = await chain_fault(session)
        async with database.writing() as session:
            later = NOW + timedelta(days=1)
            await session.execute(update(AuditEntry).where(AuditEntry.index == 5).values(at=later))
        async with database.reading() as session:
            return intact, await chain_fault(session)

    assert on(database_url, work) == (None, 5)


def test_changed_knobs_are_entries_once_although_two_processes_start(database_url: str):
    async def work(database: Database) -> list[Any]:
        first = await audit_knobs(database, {"api.port": "8000", "language": '"id"'})
        changed = {"api.port": "8001", "language": '"id"'}
        both = await asyncio.gather(*(audit_knobs(database, changed) for _ in range(2)))
        async with database.reading() as session:
            entries = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.index)))
        assert first == [] and sorted(map(len, both)) == [0, 1]
        return [(entry.action, entry.object, entry.detail) for entry in entries]

    assert on(database_url, work) == [
        ("knob.first", None, {"api.port": "8000", "language": '"id"'}),
        ("knob.change", "api.port", {"before": "8000", "after": "8001"}),
    ]


def test_knobs_are_compared_without_their_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_MQTT__BROKER_URL", "mqtts://me:a-password@broker.example.id")
    hooks = '[{"url": "https://hook.example.id/x", "secret": "sixteen-characters"}]'
    monkeypatch.setenv("LUMBUNG_ALERTS__WEBHOOKS", hooks)
    texts = knob_texts(Settings())  # type: ignore[call-arg]
    assert texts["mqtt.broker_url"] == '"mqtts://…@broker.example.id"' and len(texts) > 100
    assert not any(secret in str(texts) for secret in ("a-password", "sixteen-characters"))


def test_file_of_accounts_is_private(tmp_path):
    async def work(database: Database) -> None:
        return None

    file = tmp_path / "identity.sqlite"
    on(f"sqlite+aiosqlite:///{file}", work)
    assert file.stat().st_mode & 0o777 == 0o600


def test_file_that_was_moved_or_replaced_under_a_running_process_is_not_served(tmp_path):
    """Open connections go on with the old file: accounts were read from it, and new ones written to it."""
    file = tmp_path / "identity.sqlite"
    moved = tmp_path / "moved.sqlite"

    async def work(database: Database) -> list[bool]:
        answers = [await database.reachable()]
        file.rename(moved)
        answers.append(await database.reachable())
        with pytest.raises(
            StoreUnavailable, match=r"identity\.sqlite was moved, removed or replaced: put it back"
        ):
            async with database.writing():
                pass
        file.write_bytes(moved.read_bytes())
        answers.append(await database.reachable())
        file.unlink()
        moved.rename(file)
        return [*answers, await database.reachable()]

    assert on(f"sqlite+aiosqlite:///{file}", work) == [True, False, False, True]


def test_unreachable_database_has_its_own_error():
    async def read() -> bool:
        database = Database("postgresql+asyncpg://nobody@127.0.0.1:9/none")
        try:
            with pytest.raises(StoreUnavailable):
                await database.migrate()
            return await database.reachable()
        finally:
            await database.close()

    assert asyncio.run(read()) is False
