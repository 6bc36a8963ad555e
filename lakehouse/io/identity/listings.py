"""Pages of accounts and of the audit, for administrators."""

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
) -> list[Any]:
    """Up to `limit` rows after a key (time, id), the newest first."""
    if after is not None:
        query = query.where(tuple_(*order) < (datetime.fromisoformat(after[0]), after[1]))
    async with database.reading() as session:
        return list(await session.scalars(query.order_by(*(column.desc() for column in order)).limit(limit)))


async def page_of_accounts(
    database: Database,
    after: tuple[Any, ...] | None,
    limit: int,
    *,
    role: str | None = None,
    email: str | None = None,
) -> list[Keyed]:
    """Up to `limit` (sort key, item) after a key, the newest account first."""
    query = select(User)
    if role is not None:
        query = query.where(User.role == role)
    if email is not None:
        query = query.where(User.email == email)
    users = await newest_rows(database, query, (User.created_at, User.user_id), after, limit)
    return [((rfc3339(user.created_at), user.user_id), account_item(user)) for user in users]


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
    query = select(AuditEntry).order_by(AuditEntry.index.desc()).limit(limit)
    if actor is not None:
        query = query.where(AuditEntry.actor == actor)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if start is not None:
        query = query.where(AuditEntry.at >= start)
    if end is not None:
        query = query.where(AuditEntry.at < end)
    if after is not None:
        query = query.where(AuditEntry.index < after[0])
    async with database.reading() as session:
        entries = list(await session.scalars(query))
    fields = ("actor", "action", "object", "outcome", "hash")
    return [
        ((entry.index,), {"at": utc_text(entry.at)} | {name: getattr(entry, name) for name in fields})
        for entry in entries
    ]
