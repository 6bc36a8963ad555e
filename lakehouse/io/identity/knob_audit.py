"""Changed knobs in the audit: those of a start are compared with those of the start before."""

import json
import re
from collections.abc import Mapping

from pydantic import BaseModel
from sqlalchemy import select

from conf.settings import Settings
from lakehouse.io.identity.audit import CHAIN_LOCK, COMMAND, record
from lakehouse.io.identity.database import Database, hold
from lakehouse.io.identity.tables import AuditEntry

SINGLE = ("log_level", "language")
USER_IN_URL = re.compile(r"//[^@/\s\"]*@")


FIRST = "knob.first"
CHANGE = "knob.change"


def knob_texts(known: Settings) -> dict[str, str]:
    """`section.knob` -> its value as JSON; a password in it is left out."""
    texts = {name: getattr(known, name) for name in SINGLE}
    for section in type(known).model_fields:
        knobs = getattr(known, section)
        if isinstance(knobs, BaseModel):
            values = knobs.model_dump(mode="json")
            texts |= {f"{section}.{name}": value for name, value in values.items()}
    return {name: USER_IN_URL.sub("//…@", json.dumps(value)) for name, value in texts.items()}


async def audit_knobs(database: Database, knobs: Mapping[str, str]) -> list[str]:
    """Names of the knobs that changed since the last start, each now an entry of the audit.

    The first start appends one entry with all values. Raises StoreUnavailable.
    """
    query = select(AuditEntry.action, AuditEntry.object, AuditEntry.detail).order_by(AuditEntry.index)
    async with database.writing() as session:
        await hold(session, CHAIN_LOCK)
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
