"""Verdicts of the stream -> what Spark cannot know when it writes: which rows land where, and the reasons that history gave."""

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa

from lakehouse.arrow import arrow_type
from lakehouse.contract import Rule
from lakehouse.quality import bit_of
from lakehouse.silver.verdicts import MARKS
from streaming_jobs.event_ids import CONFLICT, NEW
from streaming_jobs.reviews import filled

if TYPE_CHECKING:
    from streaming_jobs.judging import KindResult

PLACE = ("ingested_at", "partition", "offset")  # which record, among those of one kind; also the order of arrival
Reasons = list[dict[str, str]]


def marks_of(result: "KindResult", rules: tuple[Rule, ...]) -> pa.Table | None:
    """PLACE and MARKS of the rows whose fate or warnings the row rules alone do not settle; None when there are none."""
    violated = result.judgement.violated if result.judgement else {}
    marked = result.verdict != NEW
    for flags in violated.values():
        marked |= flags
    marked[list(result.reentries)] = True
    numbers = np.flatnonzero(marked)
    if not len(numbers):
        return None
    accepted, refused = result.accepted, result.refused
    rows = [_mark(result, rules, int(row), bool(accepted[row]), bool(refused[row])) for row in numbers]
    places = result.narrow.select(PLACE).take(pa.array(numbers))
    for name, spark_type in MARKS.items():
        places = places.append_column(name, pa.array([row[name] for row in rows], arrow_type(spark_type)))
    return places


def _mark(result: "KindResult", rules: tuple[Rule, ...], row: int, accepted: bool, refused: bool) -> dict[str, Any]:
    added, warned = _reasons(result, rules, row)
    waived = [rule.name for bit, rule in enumerate(rules) if int(result.waived[row]) & (1 << bit)]
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
