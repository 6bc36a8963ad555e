"""Masks: one bit for each rule of a kind that a row violates; no rule stops another."""

from collections.abc import Iterable

from lakehouse.contracts.schema import Rule

REASONS_TYPE = "array<struct<rule:string,severity:string,message:string>>"


def mask_of(rules: tuple[Rule, ...], severity: str) -> int:
    """Bits of the rules of one severity."""
    return sum(1 << bit for bit, rule in enumerate(rules) if rule.severity == severity)


def bit_of(rules: tuple[Rule, ...], name: str) -> int:
    """The bit of one rule, as a mask."""
    return 1 << next(bit for bit, rule in enumerate(rules) if rule.name == name)


def names_in(mask: int, rules: Iterable[Rule]) -> tuple[str, ...]:
    """Names of the rules of a mask."""
    return tuple(rule.name for bit, rule in enumerate(rules) if mask & (1 << bit))
