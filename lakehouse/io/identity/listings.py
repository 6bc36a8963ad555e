"""Pages of accounts and of the audit, for administrators."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tables import AuditEntry, User
from lakehouse.times import rfc3339, utc_text

Keyed = tuple[tuple[Any, ...], dict[str, Any]]


def account_item(user: User) -> dict[str, Any]:
    """The account as administrators see it."""
    last_seen = None if user.last_seen is None else utc_text(user.last_seen)
    fields = ("user_id", "email", "role", "regions", "disabled")
    return {name: getattr(user, name) for name in fields} | {"last_seen": last_seen}


async def newest_rows(
    database: Database,
    query: Any,
    order: tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[str]],
    after: tuple[Any, ...] | None,
    limit: int,
    item: Callable[[Any], dict[str, Any]],
) -> list[Keyed]:
    """Up to `limit` (sort key, item) after a key (time, id), the newest first."""
    if after is not None:
        query = query.where(tuple_(*order) < (datetime.fromisoformat(after[0]), after[1]))
    query = query.order_by(*(column.desc() for column in order)).limit(limit)
    time, id_ = (column.key for column in order)
    async with database.reading() as session:
        rows = list(await session.scalars(query))
    return [((rfc3339(getattr(row, time)), getattr(row, id_)), item(row)) for row in rows]


def equal(**wanted: str | bool | None) -> dict[str, Any]:
    """The columns that must have a value, for `filter_by`; None: any value."""
    return {name: value for name, value in wanted.items() if value is not None}


async def page_of_accounts(
    database: Database,
    after: tuple[Any, ...] | None,
    limit: int,
    *,
    role: str | None = None,
    email: str | None = None,
) -> list[Keyed]:
    """Up to `limit` (sort key, item) after a key, the newest account first."""
    query = select(User).filter_by(**equal(role=role, email=email))
    return await newest_rows(database, query, (User.created_at, User.user_id), after, limit, account_item)


async def page_of_audit(
    database: Database,
    after: tuple[Any, ...] | None,
    limit: int,
    *,
    actor: str | None = None,
    action: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Keyed]:
    """Up to `limit` (sort key, item) after a key, the newest entry first."""
    query = select(AuditEntry).filter_by(**equal(actor=actor, action=action))
    if start is not None:
        query = query.where(AuditEntry.at >= start)
    if end is not None:
        query = query.where(AuditEntry.at < end)
    if after is not None:
        query = query.where(AuditEntry.index < after[0])
    async with database.reading() as session:
        entries = list(await session.scalars(query.order_by(AuditEntry.index.desc()).limit(limit)))
    fields = ("actor", "action", "object", "outcome", "hash")
    return [
        ((entry.index,), {"at": utc_text(entry.at)} | {name: getattr(entry, name) for name in fields})
        for entry in entries
    ]
