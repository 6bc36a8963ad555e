"""Whether the hash chain of the audit is intact."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from lakehouse.io.identity.audit import FIELDS, GENESIS, entry_hash
from lakehouse.io.identity.tables import AuditEntry


async def chain_fault(session: AsyncSession) -> int | None:
    """Index of the first entry that was altered, removed or inserted; None when there is none."""
    previous = GENESIS
    for expected, entry in enumerate(await session.scalars(select(AuditEntry).order_by(AuditEntry.index))):
        is_next = entry.index == expected and entry.previous_hash == previous
        if not is_next or entry_hash({name: getattr(entry, name) for name in FIELDS}) != entry.hash:
            return expected
        previous = entry.hash
    return None
