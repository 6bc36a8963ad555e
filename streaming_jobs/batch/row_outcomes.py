"""What the row rules do not decide: where a row lands, and the reasons that a validator gave."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from lakehouse.arrow import arrow_type
from lakehouse.contracts.contract import Rule
from lakehouse.contracts.history_rules import identity_rules
from lakehouse.contracts.rule_masks import bit_of
from lakehouse.contracts.rule_messages import render_message
from lakehouse.silver.verdicts import ROW_OUTCOME
from streaming_jobs.batch.event_index import CONFLICT, DUPLICATE
from streaming_jobs.batch.kind_result import PLACE, KindResult

EMPTY_OUTCOME: dict[str, Any] = dict.fromkeys(ROW_OUTCOME) | {"generation": 0}
Reasons = list[dict[str, str]]


@dataclass(frozen=True)
class RowOutcomes:
    """`common_warnings`: of most accepted rows; `table`: PLACE and ROW_OUTCOME of other rows, or None."""

    common_warnings: tuple[str, ...]
    table: pa.Table | None


def row_outcomes(result: KindResult, rules: tuple[Rule, ...]) -> RowOutcomes:
    """What the row rules alone do not decide.

    A validator may give a whole batch the same warning (series without history): that costs no join.
    """
    violated = result.judgement.violated if result.judgement else {}
    accepted = result.accepted
    refused = result.refused
    warned = np.zeros(len(accepted), dtype=np.int64)
    stopped = (result.verdict == CONFLICT) | (result.verdict == DUPLICATE)
    stopped |= (result.mask & identity_mask(rules)) != 0
    for rule, flags in violated.items():
        bit = bit_of(rules, rule)
        warned |= np.where(flags & accepted, result.mask & bit & ~result.errors, 0)
        stopped |= flags & refused
    stopped[list(result.resubmitted)] = True
    combinations, counts = np.unique(warned[accepted], return_counts=True)
    most = int(combinations[counts.argmax()]) if len(counts) else 0
    others = np.flatnonzero(accepted & ~stopped & (warned != most))
    rows = [
        _outcome(result, rules, int(row), bool(accepted[row]), bool(refused[row]))
        for row in np.flatnonzero(stopped)
    ]
    numbers = np.concatenate([np.flatnonzero(stopped), others])
    if not len(numbers):
        return RowOutcomes(rule_names(most, rules), None)
    table = result.narrow.select(PLACE).take(pa.array(numbers))
    warned_only = {
        int(mask): {**EMPTY_OUTCOME, "landing": "silver", "noted": list(rule_names(int(mask), rules))}
        for mask in combinations
    }
    rows += [warned_only[int(warned[row])] for row in others]
    for name, spark_type in ROW_OUTCOME.items():
        table = table.append_column(name, pa.array([row[name] for row in rows], arrow_type(spark_type)))
    return RowOutcomes(rule_names(most, rules), table)


def identity_mask(rules: tuple[Rule, ...]) -> int:
    """Bits of the rules that the index of event ids judges."""
    return sum(bit_of(rules, rule.name) for rule in identity_rules())


def rule_names(mask: int, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Names of the rules of a mask."""
    return tuple(rule.name for bit, rule in enumerate(rules) if mask & (1 << bit))


def _outcome(
    result: KindResult, rules: tuple[Rule, ...], row: int, accepted: bool, refused: bool
) -> dict[str, Any]:
    errors, warnings = _reasons(result, rules, row)
    waived = list(rule_names(int(result.waived[row]), rules))
    resubmission = result.resubmitted.get(row)
    judgement = result.judgement
    evidence = judgement.evidence(row) if judgement and refused else None
    suggestion = judgement.suggestion(row) if judgement and refused else None
    return {
        "landing": "silver" if accepted else "quarantine" if refused else "nowhere",
        "added": errors + ([] if accepted else warnings),
        "waived": waived,
        "noted": [reason["rule"] for reason in warnings]
        + ([resubmission.warning, *waived] if resubmission else []),
        "evidence": orjson.dumps(evidence).decode() if evidence else None,
        "suggestion": orjson.dumps(suggestion).decode() if suggestion else None,
        "generation": resubmission.generation + 1 if resubmission else 0,
    }


def _reasons(result: KindResult, rules: tuple[Rule, ...], row: int) -> tuple[Reasons, Reasons]:
    """Errors and warnings that the index and the validator found in a row."""
    errors: Reasons = []
    warnings: Reasons = []
    identity = int(result.mask[row]) & identity_mask(rules)
    for bit, rule in enumerate(rules):
        if identity & (1 << bit):
            message = render_message(rule.message, {"event_id": result.narrow["event_id"][row].as_py()})
            reason = {"rule": rule.name, "severity": rule.severity, "message": message}
            (errors if rule.severity == "error" else warnings).append(reason)
    judgement = result.judgement
    if judgement is None:
        return errors, warnings
    for name, flags in judgement.violated.items():
        rule = next(rule for rule in rules if rule.name == name)
        if flags[row] and int(result.mask[row]) & bit_of(rules, name):
            reason = {"rule": name, "severity": rule.severity, "message": judgement.message(name, row)}
            (errors if rule.severity == "error" else warnings).append(reason)
    return errors, warnings
