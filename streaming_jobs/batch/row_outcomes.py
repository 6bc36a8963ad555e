"""Rows of silver and of silver.quarantine: row verdicts, and what the index, validators and decisions add."""

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Rule, contracts
from lakehouse.contracts.history_rules import identity_rules
from lakehouse.contracts.rule_masks import bit_of, mask_of, names_in
from lakehouse.contracts.rule_messages import render_message
from lakehouse.event import DEAD_LETTER
from lakehouse.verdicts import rows as row_rules
from lakehouse.verdicts.reasons import reasons
from streaming_jobs.batch.event_ids import CONFLICT
from streaming_jobs.batch.kind_result import KindResult, Masks

Reasons = list[dict[str, str]]
Numbers = npt.NDArray[np.int64]  # of rows
Outcome = dict[str, Any]  # what the row rules alone do not decide of one event


def silver_rows(result: KindResult, rules: tuple[Rule, ...]) -> pa.Table:
    """Accepted rows in the columns of the kind's table, with all their warnings."""
    accepted = result.accepted
    rows = result.verdicts.table.filter(pa.array(accepted))
    noted = _warned(result, rules)[accepted]
    own = result.verdicts.mask[accepted] & mask_of(rules, "warn")
    # Row rules and validators violate different rules, so both masks fit into one.
    distinct, codes = np.unique(own | noted, return_inverse=True)
    later = sum(1 << bit for bit, rule in enumerate(rules) if rule.reads == "stream")
    names = [[*names_in(int(mask) & ~later, rules), *names_in(int(mask) & later, rules)] for mask in distinct]
    numbers = np.cumsum(accepted) - 1
    for row in (row for row in result.resubmitted if accepted[row]):
        codes[numbers[row]] = len(names)
        before = names_in(int(own[numbers[row]]), rules)
        names.append([*before, *_outcome(result, rules, row)["noted"]])
    column = pa.array(names, row_rules.NAMES).take(pa.array(codes))
    place = rows.schema.get_field_index("_warnings")
    return row_rules.silver_rows(rows.set_column(place, "_warnings", column), result.kind)


def _warned(result: KindResult, rules: tuple[Rule, ...]) -> Masks:
    """Bits of the warnings that the validator gave each row."""
    warned = np.zeros(len(result.mask), dtype=np.int64)
    for name, flags in result.judgement.violated.items() if result.judgement else ():
        warned |= np.where(flags, result.mask & bit_of(rules, name) & ~result.errors, 0)
    return warned


def quarantine_rows(result: KindResult, rules: tuple[Rule, ...], rule_set: str) -> pa.Table:
    """Refused rows in the columns of silver.quarantine."""
    numbers = np.flatnonzero(result.refused)
    rows = result.verdicts.table.take(pa.array(numbers))
    outcomes = _outcomes(result, rules, numbers)
    size = len(numbers)
    columns = {
        **{name: rows[name] for name in (*row_rules.BRONZE_COLUMNS, "payload")},
        "kind": pa.repeat(result.kind, size),
        "market_id": rows["raw_market"],
        "commodity": rows["raw_commodity"],
        "reasons": _all_reasons(result, rules, numbers, outcomes),
        "stage": pa.repeat("door" if result.kind == DEAD_LETTER else "stream", size),
        "state": pa.repeat("open", size),
        "rule_set": pa.repeat(rule_set, size),
        "quarantined_at": rows["ingested_at"],
        "ingest_date": rows["ingested_at"].cast(pa.date32()),
        **{
            name: [outcome.get(name, usual) for outcome in outcomes]
            for name, usual in (("generation", 0), ("evidence", None), ("suggestion", None))
        },
    }
    schema = arrow_schema(contracts()["silver.quarantine"])
    return pa.table(columns, schema=schema)


def _outcomes(result: KindResult, rules: tuple[Rule, ...], numbers: Numbers) -> list[Outcome]:
    """Outcome of each of these refused rows; empty where its row rules alone refuse it."""
    stopped = (result.verdict == CONFLICT) | ((result.mask & identity_mask(rules)) != 0)
    for flags in result.judgement.violated.values() if result.judgement else ():
        stopped |= flags
    stopped[list(result.resubmitted)] = True
    return [_outcome(result, rules, int(row)) if stopped[row] else {} for row in numbers]


def _all_reasons(
    result: KindResult, rules: tuple[Rule, ...], numbers: Numbers, outcomes: list[Outcome]
) -> list[Reasons]:
    """Reasons of each row: what was added, then its own by the row rules, or its own warnings."""
    own = result.verdicts.mask[numbers]
    by_rules = np.flatnonzero(own & mask_of(rules, "error"))
    texts = dict(zip(by_rules.tolist(), reasons(result.verdicts, numbers[by_rules]).to_pylist(), strict=True))
    warnings = mask_of(rules, "warn")
    return [
        [
            *outcome.get("added", []),
            *(reason for reason in texts.get(row, []) if reason["rule"] not in outcome.get("waived", ())),
            *(_warning(name) for name in names_in(int(own[row]) & warnings, rules) if row not in texts),
        ]
        for row, outcome in enumerate(outcomes)
    ]


def _warning(name: str) -> dict[str, str]:
    return {"rule": name, "severity": "warn", "message": name}


def identity_mask(rules: tuple[Rule, ...]) -> int:
    """Bits of the rules about the identity of an event."""
    return sum(bit_of(rules, rule.name) for rule in identity_rules())


def _outcome(result: KindResult, rules: tuple[Rule, ...], row: int) -> Outcome:
    """added: reasons besides the row's own; waived: rules that an operator waived; noted: for _warnings.

    evidence, suggestion: JSON text; generation: number of reviews before.
    """
    errors, warnings = _reasons(result, rules, row)
    waived = list(names_in(int(result.waived[row]), rules))
    resubmission = result.resubmitted.get(row)
    judgement = result.judgement
    refused = bool(result.refused[row])
    evidence = judgement.evidence(row) if judgement and refused else None
    suggestion = judgement.suggestion(row) if judgement and refused else None
    return {
        "added": errors + warnings,
        "waived": waived,
        "noted": [reason["rule"] for reason in warnings]
        + ([resubmission.warning, *waived] if resubmission else []),
        "evidence": orjson.dumps(evidence).decode() if evidence else None,
        "suggestion": orjson.dumps(suggestion).decode() if suggestion else None,
        "generation": resubmission.generation + 1 if resubmission else 0,
    }


def _reasons(result: KindResult, rules: tuple[Rule, ...], row: int) -> tuple[Reasons, Reasons]:
    """Errors and warnings that the index and the validator gave a row."""
    by_severity: dict[str, Reasons] = {"error": [], "warn": []}
    identity = identity_mask(rules)
    judgement = result.judgement
    for bit, rule in enumerate(rules):
        if not int(result.mask[row]) & (1 << bit):
            continue
        flags = judgement.violated.get(rule.name) if judgement else None
        if identity & (1 << bit):
            message = render_message(rule.message, {"event_id": result.events["event_id"][row].as_py()})
        elif judgement and flags is not None and flags[row]:
            message = judgement.message(rule.name, row)
        else:
            continue
        by_severity[rule.severity].append({"rule": rule.name, "severity": rule.severity, "message": message})
    return by_severity["error"], by_severity["warn"]
