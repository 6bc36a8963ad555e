"""Features of one symbol that a person may choose for an experiment: each is causal, a value per bar."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.indicators import indicators
from lakehouse.trading.signals import Series

Values = Mapping[str, Floats]  # indicators by name
Feature = Callable[[Bars, Values], Floats]


def past_return(close: Floats, span: int) -> Floats:
    """Log return over the last `span` bars."""
    change = np.full(len(close), np.nan)
    change[span:] = np.log(close[span:] / close[:-span])
    return change


FEATURES: dict[str, Feature] = {
    "return_1": lambda bars, values: past_return(bars.close, 1),
    "return_5": lambda bars, values: past_return(bars.close, 5),
    "return_20": lambda bars, values: past_return(bars.close, 20),
    "ma5": lambda bars, values: bars.close / values["ma5"] - 1,
    "ma20": lambda bars, values: bars.close / values["ma20"] - 1,
    "ma50": lambda bars, values: bars.close / values["ma50"] - 1,
    "rsi": lambda bars, values: values["rsi"] / 100,
    "macd": lambda bars, values: values["macd"] / bars.close,
    "macd_signal": lambda bars, values: values["macd_signal"] / bars.close,
    "bollinger": lambda bars, values: values["percent_b"],
    "bandwidth": lambda bars, values: values["bandwidth"],
    "atr": lambda bars, values: values["atr"] / bars.close,
    "stochastic": lambda bars, values: values["stochastic_k"] / 100,
    "volatility": lambda bars, values: values["volatility"],
    "volume_ratio": lambda bars, values: values["volume_ratio"],
}


def feature_columns(series: Series, bars: Bars, names: Sequence[str]) -> Floats:
    """(bars, names); NaN before a feature has enough bars. Raises KeyError for an unknown name."""
    adjusted = bars.adjusted()
    values = indicators(adjusted, series.bars_a_year, series.averages)
    return np.stack([FEATURES[name](adjusted, values) for name in names], axis=1)
