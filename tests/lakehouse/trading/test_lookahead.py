"""The check of lookahead names what peeks, that of warm-up what has not warmed up; ours pass both."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import talib

from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.lookahead import DECISION, LATER_SPLIT, SERVED, check_lookahead, check_warm_up
from lakehouse.trading.signals import Series
from lakehouse.trading.strategies import (
    STRATEGIES,
    Number,
    Rule,
    RuleDecisions,
    Strategy,
    Variant,
    chosen_variants,
    while_true,
)
from tests.lakehouse.trading.made_bars import COIN, random_bars

BARS = random_bars(21, 700)
OURS = chosen_variants("all", {})
Parameters = Mapping[str, Number]


def shifted(values: Floats) -> Floats:
    """The value of the bar after."""
    return np.append(values[1:], np.nan)


def by_centred_mean(series: Series, bars: Bars, parameters: Parameters) -> RuleDecisions:
    centred = np.convolve(bars.close, np.ones(5) / 5, "same")
    return while_true(bars.close > centred, {"centred_mean": centred, "change": talib.MOM(bars.close, 1)})


def by_largest_close(series: Series, bars: Bars, parameters: Parameters) -> RuleDecisions:
    scaled = bars.close / bars.close.max()
    return while_true(scaled > 0.9, {"scaled": scaled})


def by_next_close(series: Series, bars: Bars, parameters: Parameters) -> RuleDecisions:
    coming = shifted(bars.close)
    return while_true(coming > bars.close, {"coming": coming, "close": bars.close})


def by_price(series: Series, bars: Bars, parameters: Parameters) -> RuleDecisions:
    return while_true(bars.close > 60, {"close": bars.close})


def by_long_average(series: Series, bars: Bars, parameters: Parameters) -> RuleDecisions:
    average = talib.EMA(bars.close, 50)
    return while_true(bars.close > average, {"average": average})


def planted(monkeypatch: pytest.MonkeyPatch, rule: Rule, warm_up: int = 1) -> Variant:
    monkeypatch.setitem(STRATEGIES, "planted", Strategy(rule, {}, lambda values: warm_up))
    return Variant("planted", {})


@pytest.mark.parametrize("variant", OURS, ids=lambda variant: variant.strategy)
def test_none_of_our_strategies_sees_a_later_bar(variant: Variant):
    split = replace(BARS, split=np.where(np.arange(700) == 600, 3.0, 1.0))
    for bars in (BARS, split):
        result = check_lookahead(COIN, bars, variant)
        assert (result.checked, result.biased, result.names) == (200, 0, ())


def test_short_series_is_checked_at_every_bar():
    assert [check_lookahead(COIN, BARS.part(0, 60), each).checked for each in OURS] == [60] * len(OURS)


@pytest.mark.parametrize(
    ("rule", "indicator"),
    [(by_centred_mean, "centred_mean"), (by_largest_close, "scaled"), (by_next_close, "coming")],
)
def test_strategy_that_peeks_is_found_and_its_indicator_named(
    monkeypatch: pytest.MonkeyPatch, rule: Rule, indicator: str
):
    result = check_lookahead(COIN, BARS, planted(monkeypatch, rule))
    assert set(result.names) == {indicator, DECISION}
    assert 0 < result.biased <= result.checked == 200


def test_price_level_that_a_later_split_changes_is_found(monkeypatch: pytest.MonkeyPatch):
    """Adjusted for a split that comes later, the price was below 60; on that day it was above."""
    split = replace(BARS, split=np.where(np.arange(700) == 600, 2.0, 1.0))
    result = check_lookahead(COIN, split, planted(monkeypatch, by_price))
    assert set(result.names) == {DECISION, LATER_SPLIT}


def test_indicators_have_warmed_up_where_they_are_used():
    results = check_warm_up([(COIN, random_bars(22, 1500)), (COIN, BARS)], OURS)
    assert all(result.is_stable for result in results), [each for each in results if not each.is_stable]
    served = {result.indicator: result.deviation_pct for result in results if result.strategy == SERVED}
    assert served["rsi"][50] > served["rsi"][100] > served["rsi"][250] > served["rsi"][500]
    assert served["ma200"][100] == np.inf and served["momentum_10"] == {50: 0, 100: 0, 250: 0, 500: 0}
    assert {result.strategy for result in results} == {SERVED} | {
        each.label for each in OURS if each.strategy != "signal"
    }


def test_too_short_a_warm_up_is_found(monkeypatch: pytest.MonkeyPatch):
    early, late = (
        check_warm_up([(COIN, BARS)], [planted(monkeypatch, by_long_average, bars)])[-1] for bars in (60, 600)
    )
    assert (early.indicator, early.is_stable, late.is_stable) == ("average", False, True)
    assert early.deviation_pct[60] > early.deviation_pct[250] > 1e-7


def test_series_without_more_bars_say_nothing_about_the_warm_up():
    results = check_warm_up([(COIN, BARS.part(0, 80))], OURS)
    assert {result.deviation_pct[500] for result in results} == {None}
