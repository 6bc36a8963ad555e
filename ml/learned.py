"""What pooled models learn from: which cells of a panel, and the move that followed each."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ml.features import FEATURES, Base, Feature
from ml.panel import Floats, Panel

Rows = npt.NDArray[np.int64]
WARM_UP_DAYS = 90  # of a series before it is learned from
STALE_DAYS = 7  # a last price older than this is no place to learn from
LEAST_ROWS = 500  # below it there is nothing to learn: the forecasts are NaN, and naive stands in
LARGEST_MOVE = 30.0  # usual daily moves times the root of the days; a label beyond is an error of the source, not a price


def features_named(names: Iterable[str]) -> list[Feature]:
    """Those features, in the order of the list of all. Raises ValueError for an unknown name."""
    if unknown := set(names) - {one.name for one in FEATURES}:
        raise ValueError(f"no such feature: {', '.join(sorted(unknown))}")
    return [one for one in FEATURES if one.name in set(names)]


def learned_cells(base: Base, most: int) -> tuple[Rows, Rows]:
    """(series, day) of the cells to learn from: fresh enough, with enough before them; thinned by days, counted from the end."""
    count = base.y.shape[1]
    day = np.arange(count)
    last = np.maximum.accumulate(np.where(base.seen, day, -1000), axis=1)
    first = np.where(base.seen, day, count).min(axis=1, initial=count)
    fresh = (day - last < STALE_DAYS) & (day[None, :] >= first[:, None] + WARM_UP_DAYS) & (day < count - 1)
    every = max(int(np.ceil(fresh.sum() / most)), 1)
    every += every % 7 == 0  # a stride of seven would see one weekday only
    series, days = np.nonzero(fresh & ((count - 1 - day) % every == 0)[None, :])
    return series, days


def labels(base: Base, series: Rows, days: Rows, horizon: int) -> tuple[Floats, Floats]:
    """(move to `horizon` days later in v, weight): weight v where somebody reported on that day, 0 elsewhere."""
    later = np.minimum(days + horizon, base.y.shape[1] - 1)
    v = base.v[series, days]
    move = (base.y[series, later] - base.y[series, days]) / v
    there = (days + horizon < base.y.shape[1]) & base.seen[series, later] & (np.abs(move) < LARGEST_MOVE * np.sqrt(horizon))
    return np.where(there, move, 0.0), np.where(there, v, 0.0)


def of_learned(series: Sequence[tuple[str, str]], panel: Panel, answer: Callable[[Panel], Floats]) -> Floats:
    """What a model that knows these series alone says of a panel: `answer` is asked in the order of the fit, others are NaN."""
    if tuple(series) == panel.series:
        return answer(panel)
    given, place = answer(panel.arranged(series)), {key: row for row, key in enumerate(series)}
    found = np.full((len(panel.series), given.shape[1]), np.nan)
    for row, key in enumerate(panel.series):
        if key in place:
            found[row] = given[place[key]]
    return found


def prices(base: Base, moves: Floats, known: Sequence[int], horizons: Sequence[int]) -> Floats:
    """(series, horizons) rupiah from (known horizons, series) moves in v.

    A horizon between known ones lies between them in log; beyond the last one it is NaN.
    """
    found = np.full((moves.shape[1], len(horizons)), np.nan)
    whole = np.vstack([np.zeros(moves.shape[1]), moves])  # at horizon 0 nothing has moved
    steps = np.array([0, *known])
    for place, horizon in enumerate(horizons):
        if horizon <= steps[-1]:
            after = int(np.searchsorted(steps, horizon))
            share = (horizon - steps[after - 1]) / (steps[after] - steps[after - 1])
            move = (1 - share) * whole[after - 1] + share * whole[after]
            found[:, place] = np.exp(base.y[:, -1] + base.v[:, -1] * move)
    return found
