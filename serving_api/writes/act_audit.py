"""Acts that were sent as events, in the audit; the tables hold them too."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.identity.roles import Principal
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database, StoreUnavailable

log = logging.getLogger("lumbung.api")
LONGEST_OBJECT = 200  # characters, as the column of the audit has them


@dataclass(frozen=True)
class Act:
    """What a person did to an object, such as `alert.acknowledge`.

    `event_id`: the event that carries it.
    """

    action: str
    object_id: str
    event_id: str


async def audit_acts(database: Database, caller: Principal, acts: Sequence[Act]) -> None:
    """Append acts that Kafka has acknowledged, in one transaction.

    They cannot be taken back, so the caller gets its receipt also when the audit cannot be written; the log
    then names them.
    """
    try:
        async with database.writing() as session:
            for act in acts:
                detail = {"event_id": act.event_id}
                object_id = act.object_id[:LONGEST_OBJECT]
                await record(session, caller.subject, act.action, object_id, detail=detail)
    except StoreUnavailable:
        log.exception("not in the audit: %s", ", ".join(act.event_id for act in acts))
