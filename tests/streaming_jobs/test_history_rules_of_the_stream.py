"""Rules that the stream evaluates (identity of events, decisions) follow the checks in their YAML."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts import history_rules as history_rules_module
from lakehouse.contracts.contract import contracts, every_kind, kinds
from lakehouse.contracts.rule_masks import mask_of, names_in
from lakehouse.signatures import SigningKeys, signature_of
from lakehouse.validation import Judgement
from lakehouse.verdicts.rows import rules_of
from streaming_jobs.batch import decisions, judge, row_outcomes
from streaming_jobs.batch.decisions import DecisionResolver
from streaming_jobs.batch.event_ids import CONFLICT, NEW, Classified
from streaming_jobs.batch.judge import Judge, Known, joined
from streaming_jobs.batch.kind_result import KindResult

KEY = "k" * 32
TIME = datetime(2026, 3, 1, tzinfo=UTC)
PLACE = ("lumbung.price", 0)
QUARANTINED = ("lumbung.price", 0, 17, 0)


class TwoPayloads:
    """An index in which the second event has the id of the first and another payload."""

    def classify(self, kind: str, ids: list[str], senders: list[str], hashes: list[int]) -> Classified:
        return Classified(np.array([NEW, CONFLICT], dtype=np.int8), {})


def result_of(kind: str, narrow: pa.Table, stream: Judge) -> KindResult:
    empty = np.zeros(narrow.num_rows, dtype=np.int64)
    new = np.full(narrow.num_rows, NEW, dtype=np.int8)
    errors = mask_of(stream.rules, "error")
    return KindResult(kind, None, narrow, new, empty, empty, errors, {})


def replace_check(monkeypatch: pytest.MonkeyPatch, kind: str, rule_name: str, check: str) -> None:
    """Replace the text of a check; the rules of a mask stay the same."""
    replace = {rule_name: {"check": check}}

    def changed(rules: tuple) -> tuple:
        return tuple(rule.model_copy(update=replace.get(rule.name, {})) for rule in rules)

    common = every_kind().model_copy(update={"rules": changed(every_kind().rules)})
    contracts = {**kinds(), kind: kinds()[kind].model_copy(update={"rules": changed(kinds()[kind].rules)})}
    monkeypatch.setattr(history_rules_module, "every_kind", lambda: common)
    monkeypatch.setattr(history_rules_module, "kinds", lambda: contracts)


def violated(result: KindResult, stream: Judge) -> list[set[str]]:
    return [set(names_in(int(mask), stream.rules)) for mask in result.mask]


def identity_verdicts() -> list[set[str]]:
    stream = Judge("price", SigningKeys((KEY,)))
    senders = {"sender": ["s", "s"], "payload_hash": [1, 2]}
    narrow = pa.table({"event_id": ["a", "a"], **senders, "mask": pa.array([0, 0], pa.int64())})
    known = {PLACE: Known(TwoPayloads(), None)}
    result = stream._by_ids(result_of("price", narrow, stream), {PLACE: np.arange(2)}, known)
    return violated(result, stream)


def test_id_with_another_payload_violates_id_conflict():
    assert identity_verdicts() == [set(), {"id_conflict"}]


@pytest.mark.parametrize(
    ("check", "expected"), [("true", [set(), set()]), ("id_conflict", [{"id_conflict"}, set()])]
)
def test_id_conflict_follows_its_check(check: str, expected: list[set[str]], monkeypatch: pytest.MonkeyPatch):
    replace_check(monkeypatch, "price", "id_conflict", check)
    assert identity_verdicts() == expected


def decision_on(offset: int, signature: str | None = None) -> dict[str, Any]:
    """A row of the decision kind and of bronze, signed unless a signature is given."""
    event = {"event_id": "d", "kind": "decision", "source": "test:1", "received_at": TIME, "value": b"{}"}
    return event | {
        "other_headers": [("signature", signature or signature_of(event, KEY))],
        "ingested_at": TIME,
        "target_record": f"lumbung.price:0:{offset}",
        "target_event_id": "e",
        "generation": 0,
        "quarantined_at": TIME,
        "mask": 0,
    }


def decision_verdicts(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """A forged decision on a quarantined event, a signed one, a second one on it, one without a target."""
    monkeypatch.setattr(
        decisions, "quarantined_rows", lambda *_: {QUARANTINED: {"event_id": "e", "kind": "price"}}
    )
    stream = Judge("decision", SigningKeys((KEY,)))
    rows = [decision_on(17, signature="0" * 64), decision_on(17), decision_on(17), decision_on(18)]
    schema = pa.Table.from_pylist([{**row, "other_headers": None} for row in rows]).schema
    headers = schema.get_field_index("other_headers")
    schema = schema.set(headers, arrow_schema(contracts()["bronze.events"]).field("other_headers"))
    table = pa.Table.from_pylist(rows, schema)
    result = stream._by_signature(result_of("decision", table, stream), table)
    counted = DecisionResolver().resolve(result, stream.rules, TIME)
    assert len(counted) >= 1
    return violated(result, stream)


def test_forged_second_and_aimless_decisions_violate_their_rules(monkeypatch: pytest.MonkeyPatch):
    assert decision_verdicts(monkeypatch) == [
        {"decision_signed"},
        set(),
        {"already_decided"},
        {"target_known"},
    ]


@pytest.mark.parametrize(
    ("rule_name", "expected"),
    [
        ("decision_signed", [set(), {"already_decided"}, {"already_decided"}, {"target_known"}]),
        ("target_known", [{"decision_signed"}, set(), {"already_decided"}, set()]),
        ("already_decided", [{"decision_signed"}, set(), set(), {"target_known"}]),
    ],
)
def test_decision_rules_follow_their_checks(
    rule_name: str, expected: list[set[str]], monkeypatch: pytest.MonkeyPatch
):
    replace_check(monkeypatch, "decision", rule_name, "true")
    assert decision_verdicts(monkeypatch) == expected


def test_every_rule_that_reads_the_stream_is_evaluated_from_its_check():
    """Each belongs to a validator, to the index of ids, to the decisions, or is about a signature."""
    evaluated = {decisions.DECISION, *judge.VALIDATORS}
    common = {rule.name for rule in history_rules_module.identity_rules()}
    own = {
        kind
        for kind, contract in kinds().items()
        for rule in contract.rules
        if rule.reads == "stream" and rule.name not in common | {f"{kind}_signed"}
    }
    assert common == {"id_conflict"} and own <= evaluated
    assert set(history_rules_module.signed_kinds()) == {"alert", "decision", "ledger"}


def test_reasons_have_the_order_of_the_contract_whatever_other_partitions_violate():
    """A batch of two partitions, of which the first violates a later rule only."""
    rules = rules_of("price", settings().rule_values())
    later, both = ["outlier_residual"], ["price_out_of_range", "outlier_residual"]
    flags = np.ones(1, dtype=np.bool_)
    parts = [
        (np.array([nth]), Judgement(dict.fromkeys(names, flags), lambda name, row: name))
        for nth, names in enumerate((later, both))
    ]
    mask = np.array([mask_of(rules, "error")] * 2)
    nothing = pa.table({"event_id": pa.array(["a", "b"])})
    result = SimpleNamespace(mask=mask, events=nothing, judgement=joined(parts, 2))
    reasons = [
        [reason["rule"] for reason in row_outcomes._reasons(result, rules, row)[0] if reason["rule"] in both]
        for row in (0, 1)
    ]
    assert reasons == [later, both]
