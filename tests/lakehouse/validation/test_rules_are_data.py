"""The check in the YAML of a rule that looks at history decides: changing it changes verdicts."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.contracts import history_rules as history_rules_module
from lakehouse.contracts.contract import Contract, ContractError, kinds
from lakehouse.contracts.history_rules import history_rules
from lakehouse.validation import Validator
from lakehouse.validation.registry import VALIDATORS
from tests.support.price_rows import CODES, knobs, row, walk
from tests.support.price_rows import table as price_table
from tests.support.walks import START, at, stream_columns
from tests.support.walks import table as walk_table

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
DAYS = 60
RULES = [(kind, rule.name) for kind in sorted(VALIDATORS) for rule in history_rules(kind, knobs())]
Verdicts = dict[str, list[bool]]


def bars() -> list[dict[str, Any]]:
    """Minutes of a coin: the third repeats, the fourth jumps, the fifth follows a gap."""
    closes = [(0, 100.0), (60, 101.0), (60, 101.0), (120, 140.0), (600, 140.0)]
    series = {"symbol": "BTC", "interval": "1m", "asset_class": "crypto", "final": True}
    return [{**series, "bar_time": at(seconds), "close": close} for seconds, close in closes]


def listings() -> list[dict[str, Any]]:
    """The rating jumps, then reviews fall."""
    states = [(9, 5.0), (10, 1.0), (8, 1.0)]
    return [
        {
            "shop": "main",
            "product_id": 1,
            "event_time": START + timedelta(days=day),
            "num_reviews": reviews,
            "rating": rating,
        }
        for day, (reviews, rating) in enumerate(states)
    ]


def posts() -> list[dict[str, Any]]:
    """One text twice within a day."""
    return [
        {"event_id": name, "content": "Harga cabai naik", "event_time": at(hours), "received_at": at(hours)}
        for name, hours in (("a", 0), ("b", HOUR))
    ]


def stocks() -> list[dict[str, Any]]:
    """Stock rises fourfold within a day."""
    return [
        {
            "entity_id": "W1",
            "commodity": "garam",
            "event_time": START + timedelta(days=day),
            "quantity_kg": kg,
        }
        for day, kg in enumerate((100.0, 400.0))
    ]


def reading(seconds: float, device: str, **metrics: float) -> dict[str, Any]:
    readings = [{"metric": metric, "value": value} for metric, value in metrics.items()]
    return {"market_id": "M1", "device_id_hash": device, "event_time": at(seconds), "readings": readings}


def sensors() -> list[dict[str, Any]]:
    """A counter that is flat for a day, then a crowd; a thermometer that jumps away from two others."""
    counts = [reading(nth * 10 * MINUTE, "counter", crowd_count=5) for nth in range(144)]
    crowd = [reading(DAY + HOUR, "counter", crowd_count=400)]
    calm = [reading(2 * DAY, device, temperature_c=25) for device in ("a", "b", "c")]
    leap = [reading(2 * DAY + 5 * MINUTE, "a", temperature_c=40)]
    return [*counts, *crowd, *calm, *leap]


def prices() -> list[dict[str, Any]]:
    """Random walks, partly from two sources, a price that never moves, and prices far off on the last day.

    On that day two chillies exchange their levels.
    """
    rows = walk(DAYS, 5) + walk(DAYS, 8, CODES[:4], provider="pihps")
    rows += [row(day, "51", 35_000.0) for day in range(DAYS)]
    chillies = {"cabai-rawit-merah": 60_000.0, "cabai-merah-keriting": 48_000.0}
    rows += [row(day, "51", price, 0, name) for day in range(DAYS) for name, price in chillies.items()]
    rows = sorted(rows, key=lambda price: price["market_date"])
    last = [
        row(DAYS, "11", 60_000.0),
        row(DAYS, "12", 350_000.0),
        row(DAYS, "31", 900_000.0),
        row(DAYS, "99", 90_000.0, market_id="M-NEW"),
    ]
    exchanged = zip(chillies, reversed(chillies.values()), strict=True)
    return rows + last + [row(DAYS, "51", price, 0, name) for name, price in exchanged]


@cache
def rows_to_judge(kind: str) -> pa.Table:
    if kind == "price":
        return price_table(prices())
    makers = {"bar": bars, "listing": listings, "post": posts, "sensor": sensors, "stock": stocks}
    return walk_table(makers[kind](), stream_columns(kind))


def policies(kind: str) -> list[dict[str, object]]:
    """Knobs of the validator: prices have rules of two policies."""
    if kind != "price":
        return [{}]
    strict = {"residual": 3.0, "geographic": 2.0, "source_pairs": 30, "stale_days": 20}
    return [knobs(policy=policy, **strict) for policy in ("calibrated", "seed")]


def judged(validator: Validator, rows: pa.Table) -> Verdicts:
    passed = np.ones(rows.num_rows, dtype=np.bool_)
    judgement = validator.judge(rows, passed, ~passed)
    return {rule: flags.tolist() for rule, flags in judgement.violated.items()}


def verdicts(kind: str, values: Mapping[str, object]) -> Verdicts:
    return judged(VALIDATORS[kind](values), rows_to_judge(kind))


@cache
def verdicts_as_declared(kind: str, policy: int) -> Verdicts:
    return verdicts(kind, policies(kind)[policy])


def policy_of(kind: str, rule_name: str) -> int:
    """The first policy under which the rows violate the rule."""
    return next(nth for nth in range(len(policies(kind))) if rule_name in verdicts_as_declared(kind, nth))


def altered(contract: Contract, rule_name: str, **changes: str) -> Contract:
    rules = tuple(
        rule.model_copy(update=changes) if rule.name == rule_name else rule for rule in contract.rules
    )
    return contract.model_copy(update={"rules": rules})


def declare(monkeypatch: pytest.MonkeyPatch, kind: str, rule_name: str, **changes: str) -> None:
    """Let the contract of a kind be read with another rule."""
    contracts: Mapping[str, Contract] = {**kinds(), kind: altered(kinds()[kind], rule_name, **changes)}
    monkeypatch.setattr(history_rules_module, "kinds", lambda: contracts)


@pytest.mark.parametrize(("kind", "rule_name"), RULES)
def test_a_rule_whose_check_is_true_is_never_violated(
    kind: str, rule_name: str, monkeypatch: pytest.MonkeyPatch
):
    policy = policy_of(kind, rule_name)
    declare(monkeypatch, kind, rule_name, check="true")
    assert rule_name not in verdicts(kind, policies(kind)[policy])


@pytest.mark.parametrize(("kind", "rule_name"), RULES)
def test_a_rule_whose_check_is_negated_changes_verdicts(
    kind: str, rule_name: str, monkeypatch: pytest.MonkeyPatch
):
    policy = policy_of(kind, rule_name)
    check = next(rule.check for rule in kinds()[kind].rules if rule.name == rule_name)
    declare(monkeypatch, kind, rule_name, check=f"not ({check})")
    assert verdicts(kind, policies(kind)[policy]) != verdicts_as_declared(kind, policy)


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("abs(no_such_evidence) <= 1", r"silver\.bars, rule 'bar_return': no evidence 'no_such_evidence'"),
        ("sqrt(log_return) <= 1", r"silver\.bars, rule 'bar_return': .* cannot use: SQRT\(log_return\)"),
    ],
)
def test_a_check_beyond_the_evidence_is_refused(check: str, fault: str, monkeypatch: pytest.MonkeyPatch):
    declare(monkeypatch, "bar", "bar_return", check=check)
    with pytest.raises(ContractError, match=fault):
        VALIDATORS["bar"]({})


def test_severity_decides_whether_a_row_lands(monkeypatch: pytest.MonkeyPatch):
    """As an error the jump keeps its bar out, so the next bar is compared with the one before the jump."""
    rows = rows_to_judge("bar")
    assert judged(VALIDATORS["bar"]({}), rows)["bar_return"] == [False, False, False, True, False]
    declare(monkeypatch, "bar", "bar_return", severity="error")
    assert judged(VALIDATORS["bar"]({}), rows)["bar_gap"] == [False, False, False, False, True]
    validator = VALIDATORS["bar"]({})
    passed = np.ones(rows.num_rows, dtype=np.bool_)
    judgement = validator.judge(rows, passed, ~passed)
    assert judgement.evidence(4)["previous_close"] == 101.0
