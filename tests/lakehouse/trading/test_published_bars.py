"""Published bars: confidence is calibrated, and values equal TA-Lib's over each whole history."""

import csv
from pathlib import Path

import numpy as np
import pytest
import talib

from lakehouse.trading.bars import Bars
from lakehouse.trading.indicators import WARM_UP, WINDOW, indicators
from lakehouse.trading.lookahead import check_lookahead
from lakehouse.trading.market_terms import market_terms
from lakehouse.trading.signals import HORIZON, Series, signal_at
from lakehouse.trading.strategies import chosen_variants
from tests.support.real_sets import ABSENT, DATA

FOLDERS = {"crypto_daily": ("crypto", "USDT"), "us_daily": ("equity", "USD"), "cn_daily": ("equity", "CNY")}
ROOT = DATA / "systb_trading"
USED = 0.8  # the newest fifth of every set stays untouched
pytestmark = pytest.mark.skipif(not ROOT.exists(), reason=ABSENT)


def published(file: Path) -> Bars:
    """The bars of a file but for the newest fifth."""
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    rows = rows[: int(len(rows) * USED)]
    time = np.array([np.datetime64(row["date"], "us").astype(np.int64) for row in rows])
    columns = {name: np.array([float(row[name]) for row in rows]) for name in PRICES}
    return Bars(time=time, regular=np.ones(len(rows), bool), split=np.ones(len(rows)), **columns)


PRICES = ("open", "high", "low", "close", "volume")


def files() -> list[tuple[Path, Series]]:
    return [
        (file, Series(file.stem, asset_class, "1d", currency))
        for folder, (asset_class, currency) in FOLDERS.items()
        for file in sorted((ROOT / folder).glob("*.csv"))
    ]


def test_indicators_of_published_bars_equal_talib() -> None:
    for file, series in files():
        bars = published(file)
        expected = {
            "rsi": talib.RSI(bars.close, 14),
            "atr": talib.ATR(bars.high, bars.low, bars.close, 14),
            "macd": talib.MACD(bars.close, 12, 26, 9)[0],
            "bollinger_lower": talib.BBANDS(bars.close, 20, 2, 2)[2],
        }
        for end in range(WARM_UP, len(bars) + 1, 20):
            values = indicators(bars.part(max(0, end - WINDOW), end), series.bars_a_year)
            for name, column in expected.items():
                np.testing.assert_allclose(values[name][-1], column[end - 1], rtol=1e-9, err_msg=name)


def test_confidence_on_published_bars_is_calibrated() -> None:
    probabilities: list[float] = []
    outcomes: list[bool] = []
    for file, series in files():
        bars = published(file)
        cost = market_terms(series.asset_class, series.currency).round_trip
        for end in range(WARM_UP, len(bars) - HORIZON, 3):
            signal = signal_at(bars, end, series)
            assert signal is not None
            change = bars.close[end - 1 + HORIZON] / bars.open[end] - 1
            probabilities += [signal.buy_probability, signal.sell_probability]
            outcomes += [change > cost, change < -cost]
    p = np.array(probabilities)
    y = np.array(outcomes, dtype=float)
    bins = np.minimum((p * 10).astype(int), 9)
    errors = [
        (bins == each).mean() * abs(p[bins == each].mean() - y[bins == each].mean()) for each in set(bins)
    ]
    assert sum(errors) <= 0.05
    assert ((p - y) ** 2).mean() <= ((y.mean() - y) ** 2).mean() + 0.001


def test_no_strategy_sees_a_later_published_bar() -> None:
    """200 decisions of each symbol and strategy come out the same bit for bit without the later bars."""
    for file, series in files():
        for variant in chosen_variants("all", {}):
            result = check_lookahead(series, published(file), variant)
            assert (result.checked, result.names) == (200, ()), result
