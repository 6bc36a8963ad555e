"""The figures in a reason: values and limits by name, so that a caller can phrase it in any language."""

import re
from functools import cache

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.derived_rules import measure_rule
from lakehouse.contracts.schema import Rule
from lakehouse.translation import values_of

NAME = re.compile(r"\$?\{(?:p\.)?(\w+)\}")  # {column}, {p.field} or ${knob}
LENGTH = re.compile(r"\{char_length\(p\.(\w+)\)\}")
FIRST_KNOWN = re.compile(r"\{coalesce\((\w+), \$\{\w+\}\)\}")  # a limit of its own, else a knob
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?")
LIMITS = ("min", "max", "above")


def figures_of(kind: str, rule: str, message: str) -> dict[str, float]:
    """Name -> number: those that the message shows, and the limits of a rule that a payload field states.

    A message from an earlier text of the rule shows none. Of `char_length(p.title)` the name is
    `title_length`, of `coalesce(price_min, ${knob})` it is `price_min`.
    """
    known = _rules(kind).get(rule)
    if known is None:
        return {}
    figures = _limits(kind).get(rule, {})
    shown = values_of(message, known.message) or {}
    named = {_name(place): text for place, text in shown.items()}
    return figures | {name: float(text) for name, text in named.items() if name and NUMBER.fullmatch(text)}


def _name(place: str) -> str | None:
    if match := NAME.fullmatch(place) or FIRST_KNOWN.fullmatch(place):
        return match[1]
    length = LENGTH.fullmatch(place)
    return f"{length[1]}_length" if length else None


@cache
def _rules(kind: str) -> dict[str, Rule]:
    contract = kinds().get(kind)
    return {rule.name: rule for rule in contract.rules} if contract else {}


@cache
def _limits(kind: str) -> dict[str, dict[str, float]]:
    """Rule -> limits of its payload field."""
    limits: dict[str, dict[str, float]] = {}
    for field in kinds()[kind].payload:
        stated = {name: float(getattr(field, name)) for name in LIMITS if getattr(field, name) is not None}
        for rule in (measure_rule(field.name, what) for what in ("range", "positive")):
            if rule in _rules(kind):
                limits[rule] = stated
    return limits
