"""DuckDB resolves every rule and message of a kind, and its transform gives the declared columns."""

import numpy as np
import pytest

from conf.settings import settings
from lakehouse.contracts.contract import ContractError, Rule, kinds
from lakehouse.contracts.rule_messages import template_parts
from lakehouse.validation.registry import VALIDATORS
from lakehouse.verdicts import check, rows
from lakehouse.verdicts.check import check_rules
from lakehouse.verdicts.reasons import message_values
from lakehouse.verdicts.rows import row_columns, rules_of, transform_of
from tests.lakehouse.conftest import bronze, verdicts_of


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_rule_and_its_message_resolve(kind: str):
    """The binder raises when a name is missing or types do not fit."""
    verdicts = verdicts_of(kind, bronze(kind, [{"event_id": "e", "value": b"{}"}]))
    rules = [rule for rule in verdicts.rules if rule.reads != "stream"]
    values = message_values(verdicts, np.array([0]), rules)
    assert set(values) == {sql for rule in rules for sql in template_parts(rule.message)[1]}


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_transform_gives_declared_columns_and_offers(kind: str):
    """The types are those of the contract: a column that does not fit its type raises."""
    contract = kinds()[kind]
    verdicts = verdicts_of(kind, bronze(kind, [{"event_id": "e", "value": b"{}"}]))
    assert set(row_columns(kind)) <= set(verdicts.table.column_names)
    transform = transform_of(kind)
    assert set(contract.offers) <= {*transform.COLUMNS, *transform.RESOLVED}


def test_rules_of_the_contracts_have_no_fault():
    check_rules(settings().rule_values())


@pytest.mark.parametrize(
    "change",
    [
        {"check": "made_up(p.quantity_kg)"},
        {"check": "p.quantity_kg > 'much'"},
        {"message": "{made_up(1)} kg"},
    ],
)
def test_rule_that_cannot_be_evaluated_is_named(change: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    knobs = settings().rule_values()

    def changed(kind: str, given: dict[str, object]) -> tuple[Rule, ...]:
        rules = rules_of(kind, given)
        broken = (rule.name == "capacity_kept" and kind == "stock" for rule in rules)
        return tuple(
            rule.model_copy(update=change) if is_broken else rule
            for rule, is_broken in zip(rules, broken, strict=True)
        )

    for module in (check, rows):
        monkeypatch.setattr(module, "rules_of", changed)
    monkeypatch.setattr(check, "kinds", lambda: {kind: kinds()[kind] for kind in ("stock", "price")})
    with pytest.raises(ContractError, match=r"silver\.stocks, rule 'capacity_kept'"):
        check_rules(knobs)


@pytest.mark.parametrize("kind", sorted(VALIDATORS))
def test_columns_of_a_validator_are_in_the_silver_table(kind: str):
    """A missing column would stop the stream at its first batch."""
    assert set(VALIDATORS[kind](settings().rule_values()).columns) <= set(kinds()[kind].column_names)
