"""Rules evaluated by Spark: a row violates a rule iff NOT coalesce(check, false); no rule stops another.

Everything is put together as SQL text and handed to Spark in one piece: building expressions call by call
costs a second a batch.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.contracts.rule_messages import message_sql
from lakehouse.contracts.schema import Rule

# Column: the payload cannot be read, so rules that read it are not judged.
MALFORMED = "malformed"
REASONS_TYPE = "array<struct<rule:string,severity:string,message:string>>"


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


def reason_sql(rule: Rule) -> str:
    """SQL of one reason: struct<rule, severity, message>."""
    named = f"'rule', '{rule.name}', 'severity', '{rule.severity}', 'message', {message_sql(rule.message)}"
    return f"named_struct({named})"


def reasons(rules: tuple[Rule, ...], mask: str) -> Column:
    """array<struct<rule, severity, message>> of the rules in the mask column, errors first.

    Null when no error is among them.
    """
    errors_first = sorted(enumerate(rules), key=lambda pair: pair[1].severity != "error")
    structs = ", ".join(
        f"if({mask} & {1 << bit}L <> 0, {reason_sql(rule)}, null)"
        for bit, rule in errors_first
        if rule.reads != "stream"
    )
    has_error = f"{mask} & {mask_of(rules, 'error')}L <> 0"
    return F.expr(f"cast(if({has_error}, array_compact(array({structs})), null) as {REASONS_TYPE})")


def warnings(rules: tuple[Rule, ...], mask: str) -> Column:
    """array<string>: names of the warnings in the mask column; empty when there are none."""
    names = ", ".join(
        f"if({mask} & {1 << bit}L <> 0, '{rule.name}', null)"
        for bit, rule in enumerate(rules)
        if rule.severity == "warn"
    )
    return F.expr(f"if({mask} = 0, cast(array() as array<string>), array_compact(array({names})))")
