"""Data quality: counts per rule, the rules themselves, and the balance of all events."""

import hashlib
from collections.abc import Iterator
from string import Template
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from conf.settings import settings
from lakehouse.contracts.contract import contracts, kinds
from lakehouse.gold.data_quality import UNVIOLATED, counts_by_rule
from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.dependencies import (
    CurrentBalance,
    CurrentResponses,
    CurrentSnapshots,
)
from serving_api.http.problems import Problem
from serving_api.http.request_checks import NO_QUERY_PARAMETERS
from serving_api.reads.keyset import next_rows, time_slices
from serving_api.reads.operation.balance import total_of
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page, rows_after, to_json_value
from serving_api.reads.snapshots import Snapshot, newest_of
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.quality import BalanceReport, QualityQuery, QualityRow, RuleRow, RulesQuery

router = APIRouter(prefix="/api/v1", tags=["quality"])
LISTED = tuple(QualityRow.model_fields)
READ_ROWS = 20_000  # rows of gold.data_quality read at a time: a page without filters needs one read
PART_ROWS = 1_000  # of them: a row may stand for 25 rules
TIME = pa.timestamp("us", "UTC")


def known_kind(kind: str | None) -> str | None:
    """The kind. Raises Problem 404 when no contract has it."""
    if kind is not None and kind not in kinds():
        raise Problem("unknown-kind", name=kind)
    return kind


@router.get(
    "/data-quality",
    response_model=Page[QualityRow],
    responses=problems(404, 410, 422),
    summary="Counts per rule and window",
)
async def list_data_quality(
    query: Annotated[QualityQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """How often each rule was evaluated and violated, newest window first.

    Windows that ended in [from, to); default: the 30 days that end with the newest window.
    """

    def respond() -> Response:
        snapshot = snapshots.open_newest("gold.data_quality")
        times = time_range(query.from_, query.to, newest_of(snapshot, "window_end"))

        def read(key: Key | None, limit: int) -> EncodedPage:
            known_kind(query.kind)
            rows = quality_rows(snapshot, query, times, key)
            if not rows and query.rule not in (None, *rule_names()):  # counts of a former rule may be left
                raise Problem("unknown-rule", name=query.rule)
            return encode_page(rows, limit)

        return responses.page([snapshot], query, read, times=times, rule_set=current_rule_set())

    return await run_sync(respond)


def quality_rows(
    snapshot: Snapshot, query: QualityQuery, times: TimeRange, key: Key | None
) -> list[KeyedItem]:
    """Up to limit + 1 (sort key, item) after `key`, newest window first; reads one time slice at a time."""
    delta = snapshot.delta
    if delta is None:
        return []
    condition = pc.field("window_end") >= times.start
    if times.end is not None:
        condition &= pc.field("window_end") < times.end
    if key is not None:
        condition &= pc.field("window_end") <= pa.scalar(key[0], TIME)
    if query.kind is not None:
        condition &= pc.field("kind") == query.kind
    if query.rule is not None:
        condition &= (pc.field("rule") == query.rule) | pc.field("rule").is_null()
    identity = contracts()["gold.data_quality"].key
    order = (("window_end", "descending"), *((name, "ascending") for name in identity))
    stored = snapshot.dataset().schema.names
    wanted = dict.fromkeys((*LISTED, *identity, UNVIOLATED))
    columns = [name for name in wanted if name in stored]
    parts = snapshot.cached(
        "slices", lambda: time_slices(delta.get_add_actions(flatten=True), "window_end", READ_ROWS)
    )
    page: list[KeyedItem] = []
    for part in parts:
        if part.high is not None and part.high < times.start:
            break
        table = snapshot.read(condition & part.contains("window_end"), columns)
        for stored in newest_first(table):
            counts = counts_by_rule(stored)
            if query.rule is not None:
                counts = counts.filter(pc.field("rule") == query.rule)
            rows = next_rows(counts, order, key, query.limit + 1 - len(page))
            page += [
                (sort_key, {name: to_json_value(row[name]) for name in LISTED}) for sort_key, row in rows
            ]
            if len(page) > query.limit:
                return page
    return page


def newest_first(stored: pa.Table) -> Iterator[pa.Table]:
    """Parts of about PART_ROWS rows, newest window first; rows of a window are in one part."""
    ordered = stored.sort_by([("window_end", "descending")])
    ends = ordered["window_end"].cast(TIME).cast(pa.int64()).to_numpy()
    start = 0
    while start < len(ends):
        last = ends[min(start + PART_ROWS, len(ends)) - 1]
        stop = int(np.searchsorted(-ends, -last, side="right"))
        yield ordered.slice(start, stop - start)
        start = stop


def rule_names() -> set[str]:
    """The rules in force, of every kind."""
    return {rule.name for contract in kinds().values() for rule in contract.rules}


@router.get(
    "/rules",
    response_model=Page[RuleRow],
    responses=problems(404, 410, 422),
    summary="Validation rules",
)
async def list_rules(query: Annotated[RulesQuery, Query()], responses: CurrentResponses) -> Response:
    """By kind, in the order of evaluation; `meta.rule_set` is the fingerprint of all rules."""
    rows = rule_rows()
    fingerprint = hashlib.sha256(repr(rows).encode()).hexdigest()

    def read(key: Key | None, limit: int) -> EncodedPage:
        kind = known_kind(query.kind)
        matches = [(sort_key, item) for sort_key, item in rows if kind in (None, item["kind"])]
        return encode_page(rows_after(matches, key)[: limit + 1], limit)

    return responses.page([], query, read, variant=fingerprint, rule_set=current_rule_set())


def rule_rows() -> list[KeyedItem]:
    """Every rule of every kind, in the order of evaluation, with the values of the settings in place."""
    knobs = settings().rule_values()
    rows: list[KeyedItem] = []
    for kind, contract in sorted(kinds().items()):
        for number, rule in enumerate(contract.rules):
            texts = {"expression": rule.check, "message": rule.message}
            item = {"kind": kind, "rule": rule.name, "severity": rule.severity}
            item |= {name: Template(text).safe_substitute(knobs) for name, text in texts.items()}
            fingerprint = hashlib.sha256(repr(sorted(item.items())).encode()).hexdigest()[:12]
            rows.append(((kind, number), item | {"fingerprint": fingerprint}))
    return rows


@router.get(
    "/reconcile",
    response_model=BalanceReport,
    responses=problems(422),
    summary="Events in = silver + quarantine + duplicates",
    dependencies=[NO_QUERY_PARAMETERS],
)
async def reconcile(balance: CurrentBalance, responses: CurrentResponses) -> Response:
    """The counts of the stream while it wrote (gold.balance).

    `./run.sh reconcile` counts the tables themselves.
    """
    snapshot, per_kind = await run_sync(balance.read)
    balanced = all(counts["difference"] == 0 for counts in per_kind.values())
    item = {**total_of(per_kind), "balanced": balanced, "per_kind": per_kind}
    return responses.item([snapshot], item)
