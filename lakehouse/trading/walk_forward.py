"""Walk-forward folds over bars: what comes before a test window chooses, the window itself judges."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Fold:
    """Positions of bars: train [train_start, train_end), test [test_start, test_end)."""

    train_start: int
    train_end: int
    test_start: int
    test_end: int


def folds(bars: int, number: int, purge: int, embargo: int) -> list[Fold]:
    """Up to `number` folds of equal test windows; the train window grows from the first bar.

    `purge`: bars left out before a test window, because what they lead to is known within it. `embargo`: bars
    left out at the begin of the next train part, after a test window. No fold for too few bars.
    """
    edges = np.linspace(bars // (number + 1), bars, number + 1, dtype=int).tolist()
    least = purge + embargo + 2
    return [
        Fold(0, start - purge - embargo, start, end)
        for start, end in pairwise(edges)
        if start - purge - embargo >= least and end - start >= 2
    ]
