"""Append to the audit, and check its hash chain."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from lakehouse.io.identity.database import Database, hold
from lakehouse.io.identity.tables import AuditEntry
from lakehouse.ledger.canonical import canonical, digest

GENESIS = "0" * 64  # previous_hash of entry 0
FIELDS = ("index", "at", "actor", "action", "object", "outcome", "detail", "previous_hash")
CHAIN_LOCK = 7_316_053  # entries are appended one after the other
COMMAND = "command"  # actor: a person who may run ./run.sh on this machine


def entry_hash(entry: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON (RFC 8785) of FIELDS, 64 hexadecimal digits."""
    return digest(canonical({name: entry[name] for name in FIELDS}))


async def record(
    session: AsyncSession,
    actor: str,
    action: str,
    object_: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry; it is stored together with the change that it is about, by the session's commit.

    `detail`: what changed, as values of JSON without floats, and without secrets.
    """
    await hold(session, CHAIN_LOCK)
    await session.flush()
    last = await session.scalar(select(AuditEntry).order_by(AuditEntry.index.desc()).limit(1))
    entry = AuditEntry(
        index=last.index + 1 if last else 0,
        at=datetime.now(UTC),
        actor=actor,
        action=action,
        object=object_,
        outcome="done",
        detail=dict(detail or {}),
        previous_hash=last.hash if last else GENESIS,
    )
    entry.hash = entry_hash({name: getattr(entry, name) for name in FIELDS})
    session.add(entry)


async def newest_index(database: Database) -> int:
    """Index of the last entry, -1 without one. Raises StoreUnavailable."""
    async with database.reading() as session:
        newest = await session.scalar(select(func.max(AuditEntry.index)))
    return -1 if newest is None else newest


async def entries_after(database: Database, index: int) -> list[AuditEntry]:
    """The entries after an index in their order. Raises StoreUnavailable."""
    newer = select(AuditEntry).where(AuditEntry.index > index).order_by(AuditEntry.index)
    async with database.reading() as session:
        return list(await session.scalars(newer))
