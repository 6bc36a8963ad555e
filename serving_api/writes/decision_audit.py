"""Decisions in the audit; the tables hold them too."""

import logging
from collections.abc import Sequence

from lakehouse.identity.roles import Principal
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database, StoreUnavailable
from serving_api.writes.decisions import SentDecision

log = logging.getLogger("lumbung.api")


async def audit_decisions(database: Database, caller: Principal, sent: Sequence[SentDecision]) -> None:
    """Append decisions that Kafka has acknowledged, in one transaction.

    They cannot be taken back, so the caller gets its receipt also when the audit cannot be written; the log
    then names them.
    """
    try:
        async with database.writing() as session:
            for decision in sent:
                action = f"quarantine.{decision.request.decision}"
                detail = {"decision_id": decision.decision_id}
                await record(session, caller.subject, action, decision.event_id[:200], detail=detail)
    except StoreUnavailable:
        log.exception("not in the audit: %s", ", ".join(decision.decision_id for decision in sent))
