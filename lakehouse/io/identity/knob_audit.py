"""Changed knobs in the audit: those of a start are compared with those of the start before."""

from collections.abc import Mapping

from sqlalchemy import select

from lakehouse.io.identity.audit import COMMAND, hold_chain, record
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tables import AuditEntry

FIRST = "knob.first"
CHANGE = "knob.change"


async def audit_knobs(database: Database, knobs: Mapping[str, str]) -> list[str]:
    """Names of the knobs that changed since the last start, each now an entry of the audit.

    The first start appends one entry with all values. Raises StoreUnavailable.
    """
    query = select(AuditEntry.action, AuditEntry.object, AuditEntry.detail).order_by(AuditEntry.index)
    async with database.writing() as session:
        await hold_chain(session)
        known: dict[str, str] = {}
        for action, name, detail in await session.execute(
            query.where(AuditEntry.action.in_((FIRST, CHANGE)))
        ):
            known |= detail if action == FIRST else {name: detail["after"]}
        if not known:
            await record(session, COMMAND, FIRST, detail=knobs)
            return []
        changed = [name for name, value in knobs.items() if known.get(name) != value]
        for name in changed:
            detail = {"before": known.get(name), "after": knobs[name]}
            await record(session, COMMAND, CHANGE, name, detail=detail)
    return changed
