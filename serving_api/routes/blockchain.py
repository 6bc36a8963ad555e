"""The ledger: append a price, list the blocks, check that nothing was altered."""

import hashlib
from typing import Annotated, Any

import orjson
from fastapi import Query, Request, Response

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.json_schema import payload_schema
from lakehouse.event import Fault, faults
from lakehouse.signatures import SigningKeys
from lakehouse.times import utc_text
from serving_api.http.dependencies import CurrentSender
from serving_api.http.openapi import body_of_events
from serving_api.http.problems import invalid_fields
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.ledger.integrity import ChainVerdict
from serving_api.reads.ledger.integrity_checks import IntegrityChecker
from serving_api.reads.responses import (
    PUBLIC,
    CurrentResponses,
    json_response,
    not_modified,
)
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.blockchain import ChainQuery, IntegrityReport
from serving_api.schemas.ingest import Receipt
from serving_api.writes.intake import CurrentIntake, SubmittedEvent, require_own

router = Router(prefix="/api/blockchain", tags=["ledger"])
KIND = "ledger"
FIELDS = ("market_id", "commodity", "price", "event_time", "event_id")
BODY = body_of_events(
    payload_schema(kinds()[KIND], FIELDS),
    {"market_id": "PASAR-001", "commodity": "cabai-rawit-merah", "price": 55000},
    "one price, at most 64 KiB",
)


@router.post(
    "/append",
    status_code=202,
    response_model=Receipt,
    openapi_extra=BODY,
    summary="Append a price to the ledger",
)
async def append_block(
    request: Request, caller: CurrentSender, intake: CurrentIntake, keys: Shared[SigningKeys]
) -> Response:
    """The event becomes a block of chain `price`, listed under its event_id.

    With unknown names it is quarantined instead. An operator who is limited to regions appends for markets of
    these.
    """
    body = await request.json()
    require_own(body, caller)
    names = body if isinstance(body, dict) else {}
    unknown = [name for name in names if name not in FIELDS]
    invalid = [Fault(f"/{name}", "field_unknown", f"unknown field '{name[:60]}'") for name in unknown]
    invalid += [fault for fault in faults(body, [KIND]) if fault not in invalid]
    if invalid:
        await intake.dead_letter(await request.body(), KIND, invalid[0].code)
        raise invalid_fields(invalid)
    intake.require_own_region(KIND, body)
    return await intake.receipt(SubmittedEvent(await request.body(), body, [KIND], []), keys)


@router.get("/integrity/check", response_model=IntegrityReport, summary="Check the integrity of a chain")
async def check_integrity(
    query: Annotated[ChainQuery, Query()], checker: Shared[IntegrityChecker], responses: CurrentResponses
) -> Response:
    """Checks every link of the chain, its published head and every row that it covers.

    `checked_at` is the time of the check. It detects changes after recording, not whether a recorded value
    was true. Somebody who can write the tables, their logs and the published head could forge all of them:
    keep copies of the head elsewhere.
    """
    request = responses.request
    verdict = await checker.verdict(query.chain)
    report = report_of(verdict)
    identity = orjson.dumps([report, verdict.versions, request.url.path, request.url.query])
    etag = f'W/"{hashlib.sha256(identity).hexdigest()[:24]}"'
    if unchanged := not_modified(request, etag):
        return unchanged
    body = {
        **report,
        "checked_at": utc_text(verdict.checked_at),
        "meta": responses.meta(checked_tables(verdict)),
    }
    return json_response(body, cache=PUBLIC, ETag=etag)


def report_of(verdict: ChainVerdict) -> dict[str, Any]:
    """The verdict without the time of the check."""
    fault = verdict.fault
    return {
        "valid": verdict.valid,
        "chain": verdict.chain,
        "length": verdict.length,
        "head_hash": verdict.head_hash,
        "first_invalid_index": fault.index if fault else None,
        "reason": fault.reason if fault else None,
        "first_altered_event_id": fault.event_id if fault else None,
    }


def checked_tables(verdict: ChainVerdict) -> list[Snapshot]:
    """The table versions that were checked, as provenance."""
    return [
        Snapshot(table, version, None, None, verdict.newest if table == "gold.ledger" else None, 0)
        for table, version in verdict.versions.items()
    ]
