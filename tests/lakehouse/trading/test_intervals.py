"""Lengths of bars: how many a year has, what is a gap between them, which moves are usual."""

import numpy as np
import pytest

from lakehouse.trading.bars import INTERVALS, bars_a_year
from lakehouse.validation.kinds.bars import STEP, follows_gap, missing_bars, return_limit

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("asset_class", "interval", "bars"),
    [
        ("crypto", "1d", 365),
        ("crypto", "5m", 365 * 288),
        ("crypto", "1m", 365 * 1440),
        ("equity", "1d", 252),
        ("equity", "15m", 252 * 26),
        ("equity", "5m", 252 * 78),
        ("equity", "1m", 252 * 390),
    ],
)
def test_bars_of_a_year(asset_class: str, interval: str, bars: int):
    assert bars_a_year(asset_class, interval) == bars


@pytest.mark.parametrize("asset_class", ["crypto", "equity"])
@pytest.mark.parametrize("interval", INTERVALS)
def test_gaps_of_many_bars_are_those_of_each(asset_class: str, interval: str):
    step = STEP[interval]
    elapsed = np.array([1, step - 1, step, step + 1, 2 * step, 11 * DAY, 12 * DAY - 1, 12 * DAY, 30 * DAY])
    each = [missing_bars(asset_class, time, max(time // step, 1)) > 0 for time in elapsed.tolist()]
    assert follows_gap(asset_class, elapsed, step).tolist() == each


def test_usual_return_of_a_night_is_that_of_a_day():
    assert return_limit("equity", "5m", 1) == 0.1 and return_limit("equity", "5m", 200) == 0.25
    assert return_limit("crypto", "15m", 4) == 0.2 and return_limit("crypto", "1d", 1) == 0.5
