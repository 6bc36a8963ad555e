"""Reasons of refused events: the violated rules with their messages, which hold values of the row."""

import numpy as np
import pyarrow as pa

from lakehouse.arrow import arrow_type
from lakehouse.contracts.contract import kinds
from lakehouse.contracts.rule_masks import REASONS_TYPE
from lakehouse.contracts.rule_messages import joined, template_parts, value_text
from lakehouse.contracts.schema import Rule
from lakehouse.verdicts.engine import query
from lakehouse.verdicts.resolve import nearest
from lakehouse.verdicts.rows import Verdicts, transformed_sql

REASONS = arrow_type(REASONS_TYPE)
Reason = dict[str, str]


def reasons(verdicts: Verdicts, numbers: np.ndarray) -> pa.Array:
    """REASONS of the rows with these numbers: the row rules that each violates, errors first."""
    mask = verdicts.mask[numbers]
    violated = int(np.bitwise_or.reduce(mask)) if len(mask) else 0
    rules = [
        (bit, rule)
        for bit, rule in sorted(enumerate(verdicts.rules), key=lambda pair: pair[1].severity != "error")
        if violated & (1 << bit)
    ]
    values = message_values(verdicts, numbers, [rule for _, rule in rules])
    templates = [(1 << bit, rule, *template_parts(rule.message)) for bit, rule in rules]
    rows: list[list[Reason]] = []
    for row, bits in enumerate(mask.tolist()):
        rows.append(
            [
                {
                    "rule": rule.name,
                    "severity": rule.severity,
                    "message": joined(texts, [values[sql][row] for sql in expressions]),
                }
                for bit, rule, texts, expressions in templates
                if bits & bit
            ]
        )
    return pa.array(rows, REASONS)


def message_values(verdicts: Verdicts, numbers: np.ndarray, rules: list[Rule]) -> dict[str, list[str]]:
    """Expression of a message -> its value in each row, as a text."""
    wanted = list(dict.fromkeys(sql for rule in rules for sql in template_parts(rule.message)[1]))
    if not wanted:
        return {}
    rows = verdicts.rows.take(pa.array(numbers)).combine_chunks()
    rows = rows.append_column("nth", pa.array(np.arange(len(numbers))))
    transformed = transformed_sql(verdicts.kind)
    for field in kinds()[verdicts.kind].payload:
        if field.names and any(f"nearest_{field.name}" in sql for sql in wanted):
            # of several names the first unknown one
            given = f"unknown_{field.name}[1]" if field.type == "strings" else f"p.{field.name}"
            named = query(f"select {given} as name from ({transformed}) order by nth", rows=rows)
            names = nearest(field.names, named["name"].combine_chunks())
            rows = rows.append_column(f"nearest_{field.name}", names)
    selected = ", ".join(f"try({sql}) as v{nth}" for nth, sql in enumerate(wanted))
    texts = query(f"select {selected} from ({transformed}) order by nth", rows=rows)
    return {sql: list(map(value_text, texts[f"v{nth}"].to_pylist())) for nth, sql in enumerate(wanted)}
