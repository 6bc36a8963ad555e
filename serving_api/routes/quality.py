"""Data quality: counts per rule, the rules themselves, and the balance of all events."""

import hashlib
from string import Template
from typing import Annotated

from fastapi import Query, Response

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from serving_api.http.cursors import Key
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.names import commodity_ids, single_commodity
from serving_api.reads.operation.balance import BalanceReader, total_of
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import CurrentResponses, EncodedPage, KeyedItem, encode_page, rows_after
from serving_api.reads.rule_summary import summary_of_commodity, summary_of_kind, with_sentences
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.quality import BalanceReport, RuleRow, RulesQuery, RuleSummary, SummaryQuery

router = Router(prefix="/api/v1", tags=["quality"])


@router.get("/rules", response_model=Page[RuleRow], responses=problems(404), summary="Validation rules")
async def list_rules(query: Annotated[RulesQuery, Query()], responses: CurrentResponses) -> Response:
    """By kind, in the order of evaluation; `meta.rule_set` is the fingerprint of all rules."""
    rows = rule_rows()
    fingerprint = hashlib.sha256(repr(rows).encode()).hexdigest()

    def read(key: Key | None, limit: int) -> EncodedPage:
        if query.kind is not None and query.kind not in kinds():
            raise Problem("unknown-kind", name=query.kind)
        matches = [(sort_key, item) for sort_key, item in rows if query.kind in (None, item["kind"])]
        return encode_page(rows_after(matches, key)[: limit + 1], limit)

    return responses.page([], query.model_dump(), read, variant=fingerprint, rule_set=current_rule_set())


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
    "/data-quality/summary",
    response_model=RuleSummary,
    responses=problems(404),
    summary="Violations by rule in 30 days",
)
def get_quality_summary(query: Annotated[SummaryQuery, Query()], responses: CurrentResponses) -> Response:
    """Every rule with its sentence and how many events violated it, of a kind or of a commodity's prices."""
    snapshots = responses.snapshots
    if query.kind not in kinds():
        raise Problem("unknown-kind", name=query.kind)
    if query.commodity is None:
        hours = snapshots.open_newest("gold.quality_hourly")
        tables, commodity = [hours], None
        counted = hours.cached(("by rule", query.kind), lambda: summary_of_kind(hours, query.kind))
    else:
        if query.kind != "price":
            raise invalid("/commodity", "prices_only", message("commodity_of_prices"))
        ids, commodity = commodity_ids(query.commodity), single_commodity(query.commodity)
        prices, quarantine = snapshots.open_newest("silver.prices"), snapshots["silver.quarantine"]
        tables = [prices, quarantine]
        key = ("by rule", ids, quarantine.version)
        counted = prices.cached(key, lambda: summary_of_commodity(prices, quarantine, ids))
    item = {"commodity": commodity, **with_sentences(counted, responses.language)}
    return responses.item(tables, item, rule_set=current_rule_set())


@router.get(
    "/reconcile", response_model=BalanceReport, summary="Events in = silver + quarantine + duplicates"
)
def reconcile(balance: Shared[BalanceReader], responses: CurrentResponses) -> Response:
    """The counts of the stream while it wrote (gold.balance).

    `./run.sh reconcile` counts the tables themselves.
    """
    snapshot, per_kind = balance.read()
    balanced = all(counts["difference"] == 0 for counts in per_kind.values())
    item = {**total_of(per_kind), "balanced": balanced, "per_kind": per_kind}
    return responses.item([snapshot], item)
