"""Rules of a kind with the values of their knobs, and those among them that look at earlier events."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from lakehouse.contracts.contract import ContractError, every_kind, kinds, refuse
from lakehouse.contracts.rule_messages import KNOB
from lakehouse.contracts.schema import Rule, UnsupportedSqlError

Check = TypeVar("Check")


def with_knobs(table: str, rules: Iterable[Rule], knobs: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules with every `${knob}` replaced.

    Raises ContractError naming table, rule and knob when there is no such knob.
    """
    rules = tuple(rules)
    unknown = [
        f"{table}, rule '{rule.name}': no knob '{name}'"
        for rule in rules
        for name in KNOB.findall(rule.check + rule.message)
        if name not in knobs
    ]
    refuse(unknown)
    fill = partial(KNOB.sub, lambda match: str(knobs[match[1]]))
    return tuple(
        rule.model_copy(update={"check": fill(rule.check), "message": fill(rule.message)}) for rule in rules
    )


def history_rules(kind: str, knobs: Mapping[str, object]) -> tuple[Rule, ...]:
    """The kind's own rules that read the stream, with their knobs: those that its validator judges.

    Those that the stream itself judges are left out: the rules of every kind, and the one on signatures.
    """
    common = {f"{kind}_signed", *(rule.name for rule in identity_rules())}
    contract = kinds()[kind]
    own = (rule for rule in contract.rules if rule.reads == "stream" and rule.name not in common)
    return with_knobs(contract.table, own, knobs)


def signature_rules(kind: str) -> tuple[Rule, ...]:
    """The rule that events of the kind are signed; empty for a kind whose events are not."""
    return tuple(rule for rule in kinds()[kind].rules if rule.name == f"{kind}_signed")


def signed_kinds() -> tuple[str, ...]:
    """The kinds whose events are signed."""
    return tuple(kind for kind in kinds() if signature_rules(kind))


def identity_rules() -> tuple[Rule, ...]:
    """The rules of every kind that read the stream: those about its identity."""
    return tuple(rule for rule in every_kind().rules if rule.reads == "stream")


def compile_checks(
    table: str,
    rules: Iterable[Rule],
    compile_check: Callable[[str, tuple[str, ...]], Check],
    names: tuple[str, ...],
) -> dict[str, Check]:
    """Rule -> its check compiled over the evidence `names`, by `row_violation` or `column_violation`.

    Raises ContractError naming table and rule for a check that the evidence does not allow.
    """
    checks = {}
    for rule in rules:
        try:
            checks[rule.name] = compile_check(rule.check, names)
        except UnsupportedSqlError as error:
            raise ContractError(f"{table}, rule '{rule.name}': {error}") from None
    return checks
