"""Technical indicators by TA-Lib over the newest bars of a series.

The value of a bar is computed from the WINDOW bars that end with it, so it is the same bit for bit whether
one bar arrives or a whole history is computed, and nothing has to be kept but the newest bars. Of the
averages that never forget, 500 bars leave less than 1e-14 of what came before.
"""

from collections.abc import Mapping

import numpy as np
import talib

from lakehouse.trading.bars import Bars, Floats

WINDOW = 500
WARM_UP = 250  # bars before the first signal
VOLATILITY_BARS = 20
BANDS = 2.0  # standard deviations
# Columns of gold.signals that hold the indicators of a bar.
NAMES = (
    *("ma5", "ma20", "ma50", "ma200", "ema12", "ema26", "rsi", "macd", "macd_signal", "macd_histogram"),
    *("bollinger_upper", "bollinger_middle", "bollinger_lower", "percent_b", "bandwidth", "atr"),
    *("stochastic_k", "stochastic_d", "momentum_10", "momentum_20", "volume_ratio", "volatility"),
)


def indicators(bars: Bars, bars_a_year: int, averages: tuple[int, int] = (5, 20)) -> Mapping[str, Floats]:
    """Name -> values of all bars; NaN where too few bars come before.

    `averages`: lengths of ma5 and ma20. Prices must be adjusted for splits (`Bars.adjusted`).
    """
    close = bars.close
    macd, macd_signal, macd_histogram = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, BANDS, BANDS)
    stochastic_k, stochastic_d = talib.STOCH(
        bars.high, bars.low, close, fastk_period=14, slowk_period=3, slowd_period=3
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        percent_b = (close - lower) / (upper - lower)
        volume_ratio = bars.volume / talib.SMA(bars.volume, 20)
    return {
        "ma5": talib.SMA(close, averages[0]),
        "ma20": talib.SMA(close, averages[1]),
        "ma50": talib.SMA(close, 50),
        "ma200": talib.SMA(close, 200),
        "ema12": talib.EMA(close, 12),
        "ema26": talib.EMA(close, 26),
        "rsi": relative_strength(close),
        "macd": macd,
        "macd_signal": macd_signal,
        "macd_histogram": macd_histogram,
        "bollinger_upper": upper,
        "bollinger_middle": middle,
        "bollinger_lower": lower,
        "percent_b": percent_b,
        "bandwidth": (upper - lower) / middle,
        "atr": talib.ATR(bars.high, bars.low, close, 14),
        "stochastic_k": stochastic_k,
        "stochastic_d": stochastic_d,
        "momentum_10": talib.MOM(close, 10),
        "momentum_20": talib.MOM(close, 20),
        "volume_ratio": volume_ratio,
        "volatility": volatility(close, bars_a_year),
    }


def relative_strength(close: Floats) -> Floats:
    """RSI 14; NaN as long as the series is flat, where TA-Lib gives 0."""
    rsi: Floats = talib.RSI(close, 14)
    rsi[np.logical_and.accumulate(close == close[:1])] = np.nan
    return rsi


def volatility(close: Floats, bars_a_year: int) -> Floats:
    """Standard deviation (ddof 1) of the last 20 log returns, annualised."""
    result = np.full(len(close), np.nan)
    if len(close) > VOLATILITY_BARS:
        returns = np.diff(np.log(close))
        windows = np.lib.stride_tricks.sliding_window_view(returns, VOLATILITY_BARS)
        result[VOLATILITY_BARS:] = windows.std(axis=1, ddof=1) * bars_a_year**0.5
    return result


def balance_volume(before: float | None, close: Floats, volume: Floats) -> Floats:
    """On-balance volume of the bars.

    `before`: the value of the bar before the first, which then only serves as its previous close; None: the
    series begins here. TA-Lib's begins with the volume of the first bar.
    """
    result: Floats = talib.OBV(close, volume)
    return result if before is None or not len(result) else result - result[0] + before
