"""Verdicts of the stream -> what Spark cannot know when it writes: which rows land where, and the reasons that history gave."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa

from lakehouse.arrow import arrow_type
from lakehouse.contract import Rule
from lakehouse.quality import bit_of
from lakehouse.silver.verdicts import MARKS
from streaming_jobs.event_ids import CONFLICT, DUPLICATE
from streaming_jobs.reviews import filled

if TYPE_CHECKING:
    from streaming_jobs.judging import KindResult

PLACE = ("ingested_at", "partition", "offset")  # which record, among those of one kind; also the order of arrival
NOTHING: dict[str, Any] = dict.fromkeys(MARKS) | {"generation": 0}
Reasons = list[dict[str, str]]


@dataclass(frozen=True)
class Marks:
    """`usual`: warnings that history gave to most accepted rows; `table`: PLACE and MARKS of the rows that differ, or None."""

    usual: tuple[str, ...]
    table: pa.Table | None


def marks_of(result: "KindResult", rules: tuple[Rule, ...]) -> Marks:
    """What the row rules alone do not settle. A whole batch may warn alike (a series without history): that costs no join."""
    violated = result.judgement.violated if result.judgement else {}
    accepted, refused = result.accepted, result.refused
    warned = np.zeros(len(accepted), dtype=np.int64)
    stopped = (result.verdict == CONFLICT) | (result.verdict == DUPLICATE)
    for rule, flags in violated.items():
        bit = bit_of(rules, rule)
        warned |= np.where(flags & accepted, result.mask & bit & ~result.errors, 0)
        stopped |= flags & refused
    stopped[list(result.reentries)] = True
    combinations, counts = np.unique(warned[accepted], return_counts=True)
    most = int(combinations[counts.argmax()]) if len(counts) else 0
    others = np.flatnonzero(accepted & ~stopped & (warned != most))
    rows = [_mark(result, rules, int(row), bool(accepted[row]), bool(refused[row])) for row in np.flatnonzero(stopped)]
    numbers = np.concatenate([np.flatnonzero(stopped), others])
    if not len(numbers):
        return Marks(names_in(most, rules), None)
    table = result.narrow.select(PLACE).take(pa.array(numbers))
    quiet = {int(one): {**NOTHING, "landing": "silver", "noted": list(names_in(int(one), rules))} for one in combinations}
    rows += [quiet[int(warned[row])] for row in others]
    for name, spark_type in MARKS.items():
        table = table.append_column(name, pa.array([row[name] for row in rows], arrow_type(spark_type)))
    return Marks(names_in(most, rules), table)


def names_in(mask: int, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Names of the rules of a mask."""
    return tuple(rule.name for bit, rule in enumerate(rules) if mask & (1 << bit))


def _mark(result: "KindResult", rules: tuple[Rule, ...], row: int, accepted: bool, refused: bool) -> dict[str, Any]:
    added, warned = _reasons(result, rules, row)
    waived = list(names_in(int(result.waived[row]), rules))
    entry = result.reentries.get(row)
    judgement = result.judgement
    evidence = judgement.evidence(row) if judgement and refused else None
    suggestion = judgement.suggestion(row) if judgement and refused else None
    return {
        "landing": "silver" if accepted else "quarantine" if refused else "nowhere",
        "added": added + ([] if accepted else warned),
        "waived": waived,
        "noted": [reason["rule"] for reason in warned] + ([entry.became, *waived] if entry else []),
        "evidence": orjson.dumps(evidence).decode() if evidence else None,
        "suggestion": orjson.dumps(suggestion).decode() if suggestion else None,
        "generation": entry.generation + 1 if entry else 0,
    }


def _reasons(result: "KindResult", rules: tuple[Rule, ...], row: int) -> tuple[Reasons, Reasons]:
    """(errors, warnings) that the stream found in a row."""
    errors: Reasons = []
    warnings: Reasons = []
    if result.verdict[row] == CONFLICT:
        rule = next(rule for rule in rules if rule.name == "id_conflict")
        message = filled(rule.message, {"event_id": result.narrow["event_id"][row].as_py()})
        errors.append({"rule": rule.name, "severity": rule.severity, "message": message})
    for name, flags in (result.judgement.violated if result.judgement else {}).items():
        rule = next(rule for rule in rules if rule.name == name)
        if flags[row] and int(result.mask[row]) & bit_of(rules, name):
            message = result.judgement.message(name, row)  # type: ignore[union-attr]
            (errors if rule.severity == "error" else warnings).append(
                {"rule": name, "severity": rule.severity, "message": message}
            )
    return errors, warnings
