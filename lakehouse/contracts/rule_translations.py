"""A rule's message in Indonesian. Messages are stored in English; the values are taken over from those."""

import re
from functools import cache

from lakehouse.contracts.contract import kinds

# {expression}, ${knob} or {${list}}: what a message shows at this place.
PLACEHOLDER = re.compile(r"\$?\{(?:[^{}]|\$\{[^{}]*\})*\}")


def placeholders(template: str) -> list[str]:
    """The placeholders of a message in their order."""
    return PLACEHOLDER.findall(template)


def in_indonesian(kind: str, rule: str, message: str) -> str:
    """The message of a rule of the kind in Indonesian; unchanged where the rule has no such text.

    A message from an earlier text of the rule does not match the template and stays as it is.
    """
    texts = _templates().get((kind, rule))
    matched = texts and _pattern(texts[0]).fullmatch(message)
    if not texts or not matched:
        return message
    values = iter(matched.groups())
    return PLACEHOLDER.sub(lambda _: next(values), texts[1])


@cache
def _templates() -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (kind, rule.name): (rule.message, rule.message_id)
        for kind, contract in kinds().items()
        for rule in contract.rules
        if rule.message_id is not None
    }


@cache
def _pattern(template: str) -> re.Pattern[str]:
    texts = PLACEHOLDER.split(template)
    return re.compile("(.*?)".join(map(re.escape, texts)), re.DOTALL)
