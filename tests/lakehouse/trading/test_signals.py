"""Indicators equal TA-Lib's over the whole history; signals depend on nothing that comes later."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import talib

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.trading.bars import Bars
from lakehouse.trading.indicators import WARM_UP, WINDOW, balance_volume, indicators, relative_strength
from lakehouse.trading.series_bars import exact, paper_bar, series_of, splits
from lakehouse.trading.signals import HORIZON, Signal, scores, signal_at
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.support.trading.bars_lake import bar_rows


def whole_history(bars: Bars) -> dict[str, np.ndarray]:
    """TA-Lib over all bars, written out again from its own manual."""
    close = bars.close
    macd, macd_signal, macd_histogram = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    stochastic_k, stochastic_d = talib.STOCH(
        bars.high, bars.low, close, fastk_period=14, slowk_period=3, slowd_period=3
    )
    averages = {f"ma{length}": talib.SMA(close, length) for length in (5, 20, 50, 200)}
    return averages | {
        "ema12": talib.EMA(close, 12),
        "ema26": talib.EMA(close, 26),
        "rsi": talib.RSI(close, 14),
        "macd": macd,
        "macd_signal": macd_signal,
        "macd_histogram": macd_histogram,
        "bollinger_upper": upper,
        "bollinger_middle": middle,
        "bollinger_lower": lower,
        "atr": talib.ATR(bars.high, bars.low, close, 14),
        "stochastic_k": stochastic_k,
        "stochastic_d": stochastic_d,
        "momentum_10": talib.MOM(close, 10),
        "momentum_20": talib.MOM(close, 20),
    }


def test_indicators_of_the_window_equal_talib_over_the_whole_history() -> None:
    bars = random_bars(1, 3000)
    expected = whole_history(bars)
    for end in (*range(1, 260, 7), 499, 500, 501, 1777, 3000):
        values = indicators(bars.part(max(0, end - WINDOW), end), 365)
        for name, column in expected.items():
            np.testing.assert_allclose(values[name][-1], column[end - 1], rtol=1e-9, atol=1e-9, err_msg=name)


def test_volatility_is_that_of_twenty_log_returns() -> None:
    bars = random_bars(2, 300)
    returns = np.diff(np.log(bars.close[-21:]))
    expected = returns.std(ddof=1) * 365**0.5
    assert indicators(bars, 365)["volatility"][-1] == pytest.approx(expected, rel=1e-12)


def test_balance_volume_continues_where_it_ended() -> None:
    bars = random_bars(3, 400)
    whole = talib.OBV(bars.close, bars.volume)
    first = balance_volume(None, bars.close[:150], bars.volume[:150])
    rest = balance_volume(first[-1], bars.close[149:], bars.volume[149:])
    np.testing.assert_allclose(np.concatenate([first, rest[1:]]), whole, rtol=1e-9)


def test_relative_strength_of_a_flat_series_is_not_known() -> None:
    close = np.full(40, 7.0)
    close[30:] += 1
    assert np.isnan(relative_strength(close)[:30]).all()
    assert relative_strength(close)[30] == 100


def bits(signal: Signal | None) -> str:
    """Every field of a signal; `repr` of a float names its bits."""
    return repr(signal)


def test_signal_does_not_depend_on_later_bars_or_on_how_the_history_was_cut() -> None:
    bars = random_bars(4, 1200)
    later = replace(bars, close=bars.close.copy(), high=bars.high * 3)
    for end in range(WARM_UP, 1200, 4):
        expected = bits(signal_at(bars, end, COIN))
        later.close[:] = bars.close
        later.close[end:] = 1e6
        only = bars.part(max(0, end - WINDOW), end)
        copied = deepcopy(only)
        assert bits(signal_at(copied, len(copied), COIN)) == expected
        changed = replace(bars, close=later.close)
        assert bits(signal_at(changed, end, COIN)) == expected


def test_no_signal_before_the_warm_up() -> None:
    bars = random_bars(5, WARM_UP)
    assert signal_at(bars, WARM_UP - 1, COIN) is None
    signal = signal_at(bars, WARM_UP, COIN)
    assert signal is not None
    assert 0 <= signal.confidence <= 1
    assert 0 <= signal.risk_score <= 100


def test_split_changes_no_signal() -> None:
    bars = random_bars(6, 600)
    signal = signal_at(bars, 600, COIN)
    before = np.arange(600) < 560
    split = np.where(np.arange(600) == 560, 4.0, 1.0)
    columns = {name: np.where(before, getattr(bars, name) * 4, getattr(bars, name)) for name in PRICES}
    shares = replace(bars, split=split, volume=np.where(before, bars.volume / 4, bars.volume), **columns)
    assert signal_at(shares, 600, COIN) == signal


@pytest.mark.parametrize(
    ("before", "published", "shares"),
    [
        (100.0, 25.0, 4.0),
        (100.0, 1000.0, 0.1),
        (100.0, 99.0, 1.0),
        (1e308, 5e-324, 1.0),
        (5e-324, 1e308, 1.0),
    ],
)
def test_ratio_that_no_split_has_is_none(before: float, published: float, shares: float) -> None:
    assert splits(np.array([before, 100.0]), np.array([np.nan, published])).tolist() == [1.0, shares]


def test_published_previous_close_makes_a_split_of_the_stored_bars() -> None:
    bars = random_bars(6, 600)
    rows = bar_rows(bars, 0, 600)
    for at, row in enumerate(rows):
        row["previous_close"] = bars.close[at - 1] if at else None
    rows[300]["previous_close"] = 0.97 * bars.close[299]  # a dividend of 3 %
    for row in rows[:560]:
        row |= {name: 4 * row[name] for name in PRICES} | {"volume": row["volume"] / 4}
        row["previous_close"] = row["previous_close"] and 4 * row["previous_close"]
    schema = arrow_schema(contracts()["silver.bars"])
    (stored,) = series_of(pa.Table.from_pylist(rows, schema=schema), (5, 20)).values()
    assert np.flatnonzero(stored.bars.split != 1).tolist() == [560]
    assert stored.bars.split[560] == pytest.approx(4) and paper_bar(stored, 560).split == exact(4.0)
    assert signal_at(stored.bars, 600, COIN) == signal_at(bars, 600, COIN)


PRICES = ("open", "high", "low", "close")


def excess(walks: int, fill: str) -> float:
    """t of the mean return of following the net score on driftless walks, by how an order is filled."""
    means = []
    for seed in range(walks):
        bars = random_bars(10_000 + seed, 400)
        buying, selling = scores(bars, indicators(bars, 365))
        side = np.sign(buying - selling)
        change = bars.close / bars.open - 1
        if fill == "next open":
            gains = side[49:-1] * change[50:]
        elif fill == "same bar":
            gains = side[50:] * change[50:]
        else:  # centred by the mean of the whole series, which nobody knows before its end
            gains = np.sign(bars.close.mean() - bars.close)[49:-1] * change[50:]
        means.append(gains.mean())
    return float(np.mean(means) / np.std(means, ddof=1) * walks**0.5)


@pytest.mark.parametrize("walks", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_driftless_walks_earn_nothing_and_two_classic_errors_would_show(walks: int) -> None:
    assert abs(excess(walks, "next open")) <= 2
    assert excess(walks, "same bar") > 2
    assert excess(walks, "whole series") > 2


def followed(drift: float) -> list[tuple[Signal, float]]:
    """(signal, log return over the next HORIZON bars) of bars whose drift changes its sign every 30."""
    walk = random_bars(8, 900)
    growth = np.exp(np.cumsum(np.where(np.arange(900) // 30 % 2 == 0, drift, -drift)))
    prices = {name: getattr(walk, name) * growth for name in PRICES}
    bars = replace(walk, **prices)
    signals = [(signal_at(bars, end, COIN), end) for end in range(WINDOW, 900 - HORIZON)]
    return [
        (signal, float(np.log(bars.close[end - 1 + HORIZON] / bars.close[end - 1])))
        for signal, end in signals
        if signal is not None and signal.direction != "HOLD"
    ]


def test_trend_is_acted_on_and_a_walk_is_not() -> None:
    """The confidence of what is acted on is no more than how often it was right."""
    assert followed(drift=0.0) == []
    acted = followed(drift=0.02)
    sure = [
        move * (1 if signal.direction == "BUY" else -1) for signal, move in acted if signal.confidence > 0.65
    ]
    assert len(sure) > 50
    assert np.mean(np.array(sure) > 0) > 0.75
