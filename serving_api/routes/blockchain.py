"""The ledger: put something on record, read the blocks, check that nothing was altered since."""

import hashlib
from typing import Annotated, Any

import orjson
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from lakehouse.event import Fault, faults
from serving_api.access import sender
from serving_api.answers import JSON, PUBLIC, Page, accepts, listed, meta, plain, unchanged, utc
from serving_api.bodies import Element, document
from serving_api.gold import Gold, Snapshot
from serving_api.integrity import Verdict
from serving_api.integrity_checks import Checks
from serving_api.paging import Key
from serving_api.problems import Problem
from serving_api.routes.ingest import ANSWERS, Door
from serving_api.shapes import Block, BlocksAsked, ChainAsked, Integrity, Many, Receipt, problems

router = APIRouter(prefix="/api/blockchain", tags=["ledger"])
KIND = "ledger"
BODY = ("market_id", "commodity", "price", "event_time", "event_id")
EXAMPLE = {"market_id": "PASAR-001", "commodity": "cabai-rawit-merah", "price": 55000}
LISTED = ("index", "hash", "previous_hash", "timestamp", "kind", "event_id", "table", "delta_version")
ASKED = {
    "requestBody": {
        "required": True,
        "description": "one price to be put on record, at most 64 KiB",
        "content": {"application/json": {"schema": {"type": "object"}, "example": EXAMPLE}},
    },
    "security": [{"bearer": []}],
}


@router.post(
    "/append",
    status_code=202,
    responses={**ANSWERS, 202: {"model": Receipt, "description": "Kafka holds the event"}},
    openapi_extra=ASKED,
    summary="Put a price on record",
)
async def append(request: Request) -> Response:
    """The event becomes a block of chain `price`, found by its event_id; names that are not known are quarantined instead."""
    given = await document(request, sender)
    door = Door(request.app.state.producer, given.who, "application/json")
    surplus = [name for name in given.value if name not in BODY] if isinstance(given.value, dict) else []
    wrong = [Fault(f"/{name}", "field_unknown", f"unknown field '{name[:60]}'") for name in surplus]
    wrong += [fault for fault in faults(given.value, [KIND]) if fault not in wrong]
    if wrong:
        await door.dead_letter(given.body, KIND, wrong[0].code)
        raise Problem("validation", wrong[:100], why="; ".join(fault.message for fault in wrong[:5]))
    return await door.receipt(Element(given.body, given.value, [KIND], []))


@router.get("/integrity/check", response_model=Integrity, responses=problems(422, 503), summary="Was anything altered?")
async def check(request: Request, query: Annotated[ChainAsked, Query()]) -> Response:
    """Every link of the chain, its published head, and every row that it covers, as they were at `checked_at`.

    It shows alteration after recording, not that what was recorded was true. A second process that holds tables, logs and the
    published head in its hands could forge all of them: keep copies of the head elsewhere.
    """
    accepts(request, "application/json")
    checks: Checks = request.app.state.checks
    verdict = await checks.verdict(query.chain)
    fault = verdict.fault
    said = {
        "valid": verdict.valid,
        "chain": verdict.chain,
        "length": verdict.length,
        "head_hash": verdict.head_hash,
        "first_invalid_index": fault.index if fault else None,
        "reason": fault.reason if fault else None,
        "first_altered_event_id": fault.event_id if fault else None,
    }
    known = orjson.dumps([said, verdict.versions, request.url.path, request.url.query])
    etag = f'W/"{hashlib.sha256(known).hexdigest()[:24]}"'
    if same := unchanged(request, etag, PUBLIC):
        return same
    body = {**said, "checked_at": utc(verdict.checked_at), "meta": meta(request, tables_of(verdict), None, False)}
    return Response(orjson.dumps(body), headers={"ETag": etag, "Cache-Control": PUBLIC}, media_type=JSON)


def tables_of(verdict: Verdict) -> list[Snapshot]:
    """The table versions that were checked, as provenance."""
    return [
        Snapshot(table, version, None, None, verdict.newest if table == "gold.ledger" else None, 0)
        for table, version in verdict.versions.items()
    ]


@router.get("/blocks", response_model=Many[Block], responses=problems(410, 422), summary="The blocks, newest first")
async def blocks(request: Request, query: Annotated[BlocksAsked, Query()]) -> Response:
    """Records of a chain; with `event_id` those about that event."""
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.ledger"]

    def read(key: Key | None, limit: int) -> Page:
        return page(snapshot, query.chain, query.event_id, key, limit)

    return await run_sync(lambda: listed(request, [snapshot], query, read))


def page(snapshot: Snapshot, chain: str, event_id: str | None, key: Key | None, limit: int) -> Page:
    """One page. Without an event id a page is a range of indexes, so that a chain with gaps is shown to its end too."""
    if snapshot.delta is None:
        return Page(b"", None)
    below = key[0] if key else 1 + snapshot.cached(("top", chain), lambda: top_of(snapshot, chain))
    wanted = (pc.field("chain") == chain) & (pc.field("index") < below)
    if event_id is None:
        wanted &= pc.field("index") >= below - limit
    else:
        wanted &= pc.field("event_id") == event_id
    rows = snapshot.delta.to_pyarrow_dataset().to_table(columns=list(LISTED), filter=wanted).sort_by([("index", "descending")])
    shown: list[dict[str, Any]] = rows.slice(0, limit).to_pylist()
    last = below - limit if event_id is None else shown[-1]["index"] if rows.num_rows > limit else 0
    items = b",".join(orjson.dumps({name: plain(value) for name, value in row.items()}) for row in shown)
    return Page(items, (last,) if last > 0 else None)


def top_of(snapshot: Snapshot, chain: str) -> int:
    """Index of the newest record; -1 when there is none."""
    assert snapshot.delta is not None
    rows = snapshot.delta.to_pyarrow_dataset().to_table(columns=["index"], filter=pc.field("chain") == chain)
    newest: int | None = pc.max(rows["index"]).as_py()
    return -1 if newest is None else newest
