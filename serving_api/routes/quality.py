"""How good the data are: counts per rule, the rules themselves, and the balance of all events."""

import hashlib
from string import Template
from typing import Annotated, Any

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response

from conf.settings import settings
from lakehouse.contract import contracts, kinds
from serving_api.answers import Page, after, listed, page_of, plain, rules_now, shown
from serving_api.balance import Balance, in_all
from serving_api.gold import Gold, Snapshot
from serving_api.newest import next_rows, slices
from serving_api.paging import Key, Range, time_range
from serving_api.problems import Problem, nothing_asked
from serving_api.shapes import Many, problems
from serving_api.shapes_quality import QualityAsked, QualityRow, ReconcileAnswer, RuleRow, RulesAsked

router = APIRouter(prefix="/api/v1", tags=["quality"])
LISTED = ("table", "source", "rule", "severity", "evaluated", "violated", "rule_set", "window_start", "window_end")
READ_ROWS = 20_000  # rows of gold.data_quality read at a time: a page without filters needs one reading


def known_kind(kind: str | None) -> str | None:
    """Raises Problem 404 for a kind that no contract names."""
    if kind is not None and kind not in kinds():
        raise Problem("unknown-kind", name=kind)
    return kind


def quality_rows(snapshot: Snapshot, query: QualityAsked, asked: Range, key: Key | None) -> list[tuple[Key, dict[str, Any]]]:
    """Up to limit + 1 (sort key, item) behind `key`, newest window first; files are read a slice of time at a time."""
    if snapshot.delta is None:
        return []
    wanted = pc.field("window_end") >= asked.start
    if asked.end is not None:
        wanted &= pc.field("window_end") < asked.end
    for name in ("kind", "rule"):
        if (value := getattr(query, name)) is not None:
            wanted &= pc.field(name) == value
    identity = contracts()["gold.data_quality"].key
    order = (("window_end", "descending"), *((name, "ascending") for name in identity))
    dataset = snapshot.cached("dataset", snapshot.delta.to_pyarrow_dataset)
    delta = snapshot.delta
    parts = snapshot.cached("slices", lambda: slices(delta.get_add_actions(flatten=True), "window_end", READ_ROWS))
    found: list[tuple[Key, dict[str, Any]]] = []
    for part in parts:
        if len(found) > query.limit or (part.high is not None and part.high < asked.start):
            break
        rows = dataset.to_table(columns=list(dict.fromkeys((*LISTED, *identity))), filter=wanted & part.holds("window_end"))
        pages = next_rows(rows, order, key, query.limit + 1 - len(found))
        found += [(place, {name: plain(row[name]) for name in LISTED}) for place, row in pages]
    return found


@router.get(
    "/data-quality", response_model=Many[QualityRow], responses=problems(404, 410, 422), summary="Counts per rule and window"
)
async def data_quality(request: Request, query: Annotated[QualityAsked, Query()]) -> Response:
    """How often each rule was evaluated and violated, newest window first; windows that ended in [from, to), default 30 days."""
    gold: Gold = request.app.state.gold
    asked = time_range(query.from_, query.to)

    def answer() -> Response:
        snapshot = gold.now("gold.data_quality")

        def read(key: Key | None, limit: int) -> Page:
            known_kind(query.kind)
            return page_of(quality_rows(snapshot, query, asked, key), limit)

        return listed(request, [snapshot], query, read, asked=asked, rule_set=rules_now())

    return await run_sync(answer)


def rule_rows() -> list[tuple[Key, dict[str, Any]]]:
    """Every rule of every kind, in the order in which they are judged, with the knobs' values in place."""
    knobs = settings().validation.model_dump()
    found: list[tuple[Key, dict[str, Any]]] = []
    for kind, contract in sorted(kinds().items()):
        for number, rule in enumerate(contract.rules):
            texts = {"expression": rule.check, "message": rule.message}
            item = {"kind": kind, "rule": rule.name, "severity": rule.severity}
            item |= {name: Template(text).safe_substitute(knobs) for name, text in texts.items()}
            fingerprint = hashlib.sha256(repr(sorted(item.items())).encode()).hexdigest()[:12]
            found.append(((kind, number), item | {"fingerprint": fingerprint}))
    return found


@router.get(
    "/rules", response_model=Many[RuleRow], responses=problems(404, 410, 422), summary="The rules that events are judged by"
)
async def rules(request: Request, query: Annotated[RulesAsked, Query()]) -> Response:
    """By kind, in the order in which they are judged; `meta.rule_set` is the fingerprint of all of them."""
    everything = rule_rows()
    stamp = hashlib.sha256(repr(everything).encode()).hexdigest()

    def read(key: Key | None, limit: int) -> Page:
        kind = known_kind(query.kind)
        wanted = [(place, item) for place, item in everything if kind in (None, item["kind"])]
        return page_of(after(wanted, key)[: limit + 1], limit)

    return listed(request, [], query, read, asked=stamp, rule_set=rules_now())


@router.get(
    "/reconcile",
    response_model=ReconcileAnswer,
    responses=problems(422),
    summary="Events in = silver + quarantine + duplicates",
    dependencies=[Depends(nothing_asked)],
)
async def reconcile(request: Request) -> Response:
    """As the stream counted while it wrote (gold.balance); `./run.sh reconcile` counts the tables themselves."""
    balance: Balance = request.app.state.balance
    snapshot, per_kind = await run_sync(balance.now)
    whole = in_all(per_kind)
    balanced = all(counts["difference"] == 0 for counts in per_kind.values())
    return shown(request, [snapshot], {**whole, "balanced": balanced, "per_kind": per_kind})
