"""A rule's message in Indonesian, by the texts of its contract."""

from functools import cache

from lakehouse.contracts.contract import kinds
from lakehouse.translation import filled, values_of


def in_indonesian(kind: str, rule: str, message: str) -> str:
    """The message of a rule of the kind in Indonesian; unchanged where the rule has no such text.

    A message from an earlier text of the rule does not match the template and stays as it is.
    """
    english, indonesian = _templates().get((kind, rule), ("", ""))
    values = values_of(message, english)
    return message if values is None else filled(indonesian, values)


@cache
def _templates() -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (kind, rule.name): (rule.message, rule.message_id)
        for kind, contract in kinds().items()
        for rule in contract.rules
        if rule.message_id is not None
    }
