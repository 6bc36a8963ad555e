"""Strategies: causal bit for bit, parameters checked, combinations complete."""

import numpy as np
import pytest

from lakehouse.trading.bars import Bars
from lakehouse.trading.signals import Series
from lakehouse.trading.strategies import (
    STRATEGIES,
    StrategyFault,
    Variant,
    between,
    chosen_variants,
    variants,
)

SERIES = Series("BTCUSDT", "crypto", "1d", "USDT")


@pytest.fixture(scope="module")
def bars() -> Bars:
    random = np.random.default_rng(7)
    close = 100 * np.exp(random.normal(0, 0.02, 700).cumsum())
    spread = np.abs(random.normal(0, 0.01, (2, 700)))
    return Bars(
        time=np.arange(700) * 86_400_000_000,
        open=close,
        high=close * (1 + spread[0]),
        low=close * (1 - spread[1]),
        close=close,
        volume=np.full(700, 1e6),
        regular=np.ones(700, dtype=bool),
        split=np.ones(700),
    )


@pytest.mark.parametrize("variant", chosen_variants("all", {}), ids=lambda variant: variant.strategy)
def test_what_comes_later_changes_no_decision(bars: Bars, variant: Variant):
    whole = variant.decisions(SERIES, bars).invested
    assert variant.strategy == "signal" or 0 < whole.mean() < 1
    for stop in (2, 3, 270, 699) if variant.strategy == "signal" else range(2, 700, 3):
        assert np.array_equal(variant.decisions(SERIES, bars.part(0, stop)).invested, whole[:stop])


def test_account_is_invested_from_entering_until_leaving():
    enters = np.array([0, 1, 0, 0, 0, 1, 1], dtype=bool)
    leaves = np.array([1, 0, 0, 1, 0, 0, 1], dtype=bool)
    assert between(enters, leaves).tolist() == [False, True, True, False, False, True, False]


def test_lists_of_values_give_every_usable_combination():
    combined = variants("ma_cross", {"fast": [5, 10, 20], "slow": [10, 50, 50]})
    assert [variant.label for variant in combined] == [
        "ma_cross(fast=5, slow=10)",
        "ma_cross(fast=5, slow=50)",
        "ma_cross(fast=10, slow=50)",
        "ma_cross(fast=20, slow=50)",
    ]
    assert variants("momentum", {})[0].parameters == {"window": 20}
    guarded = variants("signal", {"stop_pct": [0, 5], "take_profit_pct": 10})
    assert [variant.label for variant in guarded] == [
        "signal(take_profit_pct=10)",
        "signal(stop_pct=5, take_profit_pct=10)",
    ]
    assert [variant.label for variant in variants("signal", {})] == ["signal"]


def test_several_strategies_are_tried_with_their_defaults():
    combined = chosen_variants("momentum,ma_cross,momentum", {})
    assert [variant.label for variant in combined] == ["momentum(window=20)", "ma_cross(fast=5, slow=20)"]
    assert {variant.strategy for variant in chosen_variants("all", {})} == set(STRATEGIES)


@pytest.mark.parametrize(
    ("strategy", "parameters", "pointer", "code"),
    [
        ("astrology", {}, "/strategy", "unknown_strategy"),
        ("momentum,astrology", {}, "/strategy", "unknown_strategy"),
        ("momentum,ma_cross", {"window": 5}, "/parameters", "unknown_parameter"),
        ("all", {"window": 5}, "/parameters", "unknown_parameter"),
        ("ma_cross", {"speed": 3}, "/parameters", "unknown_parameter"),
        ("ma_cross", {"fast": 2.5}, "/parameters/fast", "whole_number"),
        ("ma_cross", {"fast": 1}, "/parameters/fast", "parameter_range"),
        ("ma_cross", {"fast": 30, "slow": 20}, "/parameters", "parameter_order"),
        (
            "breakout",
            {"enter": list(range(2, 20)), "leave": [2, 3, 4, 5]},
            "/parameters",
            "too_many_variants",
        ),
    ],
)
def test_unusable_order_names_its_place(strategy: str, parameters: dict, pointer: str, code: str):
    with pytest.raises(StrategyFault) as refusal:
        chosen_variants(strategy, parameters)
    assert (refusal.value.pointer, refusal.value.code) == (pointer, code)


def test_every_default_is_within_its_range():
    for strategy in STRATEGIES.values():
        assert all(each.low <= each.default <= each.high for each in strategy.parameters.values())
