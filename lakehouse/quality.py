"""Rules -> verdicts. A row violates a rule iff NOT coalesce(check, false); all rules are evaluated, none stops another."""

import re
from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.contract import Contract, Rule

MALFORMED = "malformed"  # column: the payload cannot be read, so rules that read it are not judged
REASONS_TYPE = "array<struct<rule:string,severity:string,message:string>>"


def bound(contract: Contract, knobs: Mapping[str, object]) -> tuple[Rule, ...]:
    """The contract's rules with `${knob}` replaced, in bit order: bit n of a mask is rule n. Raises KeyError for no such knob."""

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
    mask = F.lit(0).cast("bigint")
    for bit, rule in enumerate(rules):
        if rule.reads == "stream":
            continue
        check = F.coalesce(F.expr(f"({rule.check})"), F.lit(False))
        if rule.reads == "payload":
            check = F.col(MALFORMED) | check
        mask = mask.bitwiseOR(F.when(check, F.lit(0)).otherwise(F.lit(1 << bit)).cast("bigint"))
    return mask


def message(rule: Rule) -> Column:
    """The rule's sentence with every {expression} replaced by its value, long values cut at 120 characters."""
    parts = re.split(r"\{([^{}]+)\}", rule.message)
    pieces = [
        F.lit(part) if nth % 2 == 0 else F.coalesce(F.substring(F.expr(part).cast("string"), 1, 120), F.lit("null"))
        for nth, part in enumerate(parts)
        if part
    ]
    return F.concat(*pieces)


def reasons(rules: tuple[Rule, ...], mask: Column) -> Column:
    """array<struct<rule, severity, message>> of the rules in the mask, errors first; null when no error is in it."""
    errors_first = sorted(enumerate(rules), key=lambda pair: pair[1].severity != "error")
    found = [
        F.when(
            mask.bitwiseAND(F.lit(1 << bit).cast("bigint")) != 0,
            F.struct(F.lit(rule.name).alias("rule"), F.lit(rule.severity).alias("severity"), message(rule).alias("message")),
        )
        for bit, rule in errors_first
        if rule.reads != "stream"
    ]
    errors = F.lit(mask_of(rules, "error")).cast("bigint")
    return F.when(mask.bitwiseAND(errors) != 0, F.array_compact(F.array(*found))).cast(REASONS_TYPE)


def warnings(rules: tuple[Rule, ...], mask: Column) -> Column:
    """array<string>: names of the warnings in the mask; empty when there are none."""
    warned = [(bit, rule) for bit, rule in enumerate(rules) if rule.severity == "warn"]
    names = F.array_compact(
        F.array(*(F.when(mask.bitwiseAND(F.lit(1 << bit).cast("bigint")) != 0, F.lit(rule.name)) for bit, rule in warned))
    )
    return F.when(mask == 0, F.array().cast("array<string>")).otherwise(names)
