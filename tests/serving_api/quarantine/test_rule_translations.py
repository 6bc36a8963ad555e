"""Messages of rules in Indonesian."""

import pytest

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.schema import Rule
from lakehouse.translation import placeholders
from serving_api.reads.review.quarantine import in_indonesian

RULES = [(kind, rule) for kind, contract in kinds().items() for rule in contract.rules]


@pytest.mark.parametrize(("kind", "rule"), RULES, ids=lambda value: getattr(value, "name", value))
def test_every_rule_has_an_indonesian_message_with_the_same_values(kind: str, rule: Rule):
    assert rule.message_id is not None
    assert rule.message_id != rule.message
    assert sorted(placeholders(rule.message_id)) == sorted(placeholders(rule.message))


def test_values_of_the_stored_message_are_kept():
    english = "price 9900000 lies outside 2000 to 150000 rupiah, the bounds of 'garam'"
    indonesian = "harga 9900000 di luar 2000 sampai 150000 rupiah, batas untuk 'garam'"
    assert in_indonesian("price", "price_in_band", english) == indonesian


def test_message_of_an_earlier_text_stays_as_it_is():
    assert in_indonesian("price", "price_in_band", "price too high") == "price too high"
    assert in_indonesian("price", "removed_rule", "price too high") == "price too high"
