"""Rules -> verdicts. A row violates a rule iff NOT coalesce(check, false); all rules are evaluated, none stops another.

Everything is put together as SQL text and handed to Spark in one piece: building expressions call by call costs a second a batch.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.contract import Contract, ContractError, Rule

MALFORMED = "malformed"  # column: the payload cannot be read, so rules that read it are not judged
REASONS_TYPE = "array<struct<rule:string,severity:string,message:string>>"


def sql_text(value: object) -> str:
    """A value as a Spark SQL literal."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return f"{value}D" if isinstance(value, float) else str(value)


def bound(contract: Contract, knobs: Mapping[str, object]) -> tuple[Rule, ...]:
    """The contract's rules with `${knob}` replaced, in bit order: bit n of a mask is rule n. ContractError: no such knob."""
    unknown = [
        f"{contract.table}, rule '{rule.name}': no knob '{name}'"
        for rule in contract.rules
        for name in re.findall(r"\$\{(\w+)\}", rule.check + rule.message)
        if name not in knobs
    ]
    if unknown:
        raise ContractError("; ".join(unknown))

    def fill(text: str) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda match: str(knobs[match.group(1)]), text)

    return tuple(replace(rule, check=fill(rule.check), message=fill(rule.message)) for rule in contract.rules)


def mask_of(rules: tuple[Rule, ...], severity: str) -> int:
    """Bits of the rules of one severity."""
    return sum(1 << bit for bit, rule in enumerate(rules) if rule.severity == severity)


def bit_of(rules: tuple[Rule, ...], name: str) -> int:
    """The bit of one rule, as a mask."""
    return 1 << next(bit for bit, rule in enumerate(rules) if rule.name == name)


def violations(rules: tuple[Rule, ...]) -> Column:
    """bigint mask of the rules that the row violates; rules that read the stream are left to the stream."""
    bits = []
    for bit, rule in enumerate(rules):
        if rule.reads != "stream":
            unread = f"{MALFORMED} or " if rule.reads == "payload" else ""
            bits.append(f"if({unread}coalesce(({rule.check}), false), 0L, {1 << bit}L)")
    return F.expr(" | ".join(bits))


def message_sql(rule: Rule) -> str:
    """SQL of the rule's sentence with every {expression} replaced by its value, long values cut at 120 characters."""
    parts = re.split(r"\{([^{}]+)\}", rule.message)
    pieces = [
        sql_text(part) if nth % 2 == 0 else f"coalesce(substring(cast({part} as string), 1, 120), 'null')"
        for nth, part in enumerate(parts)
        if part
    ]
    return f"concat({', '.join(pieces)})"


def reason_sql(rule: Rule) -> str:
    """SQL of one reason: struct<rule, severity, message>."""
    named = f"'rule', '{rule.name}', 'severity', '{rule.severity}', 'message', {message_sql(rule)}"
    return f"named_struct({named})"


def reasons(rules: tuple[Rule, ...], mask: str) -> Column:
    """array<struct<rule, severity, message>> of the rules in the mask column, errors first; null when no error is in it."""
    errors_first = sorted(enumerate(rules), key=lambda pair: pair[1].severity != "error")
    found = ", ".join(
        f"if({mask} & {1 << bit}L <> 0, {reason_sql(rule)}, null)" for bit, rule in errors_first if rule.reads != "stream"
    )
    return F.expr(f"cast(if({mask} & {mask_of(rules, 'error')}L <> 0, array_compact(array({found})), null) as {REASONS_TYPE})")


def warnings(rules: tuple[Rule, ...], mask: str) -> Column:
    """array<string>: names of the warnings in the mask column; empty when there are none."""
    names = ", ".join(
        f"if({mask} & {1 << bit}L <> 0, '{rule.name}', null)" for bit, rule in enumerate(rules) if rule.severity == "warn"
    )
    return F.expr(f"if({mask} = 0, cast(array() as array<string>), array_compact(array({names})))")
