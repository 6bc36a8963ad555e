"""Pooled gradient boosting: one model per horizon over all series, of the move to come in units of the usual daily move."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from ml.features import FEATURES, Base, Feature, Selection, chosen, columns
from ml.forecaster import HORIZONS
from ml.panel import Floats, Panel

WARM_UP_DAYS = 90  # of a series before it is learned from
STALE_DAYS = 7  # a last price older than this is no place to learn from
LEAST_ROWS = 500  # below it there is nothing to learn: the forecasts are NaN, and naive stands in
LARGEST_MOVE = 30.0  # usual daily moves; a label beyond is an error of the source, not a price


@dataclass(frozen=True)
class Knobs:
    """Of one fit. Chosen on Panel Harga, on origins before the final holdout."""

    rounds: int = 300
    depth: int = 6
    learning_rate: float = 0.05
    rows: int = 120_000  # most cells to learn from; with more, every second day, every third …
    seen_share: float = 0.5  # of rows a tree sees
    feature_share: float = 0.4  # of features a split sees
    least_weight: float = 40.0  # in a leaf
    half_life_days: float = 0.0  # weight of old days; 0 = all alike


@dataclass
class Boosting:
    """Forecaster (ml.forecaster). Target (y[t+h] − y[t]) / v; loss L1 with weight v, which is the error of log prices."""

    seed: int = 0
    horizons: Sequence[int] = HORIZONS
    knobs: Knobs = field(default_factory=Knobs)
    features: Sequence[str] = tuple(one.name for one in FEATURES)
    threads: int = 2
    name: str = "boosting"

    def __post_init__(self) -> None:
        self._models: dict[int, xgb.Booster] = {}
        self._selection: Selection | None = None

    @property
    def _chosen_features(self) -> list[Feature]:
        return [one for one in FEATURES if one.name in set(self.features)]

    def fit(self, panel: Panel) -> None:
        """Learn from every cell whose target day is not after the panel's end."""
        self._models, self._selection = {}, chosen(panel)
        base = Base(panel, self._selection)
        series, days = learned_cells(base, self.knobs.rows)
        if len(series) < LEAST_ROWS:
            return
        matrix = xgb.QuantileDMatrix(columns(base, self._chosen_features, series, days), max_bin=128, nthread=self.threads)
        age = 0.5 ** ((len(panel.days) - 1 - days) / self.knobs.half_life_days) if self.knobs.half_life_days else 1.0
        for horizon in self.horizons:
            move, weight = labels(base, series, days, horizon)
            if (weight > 0).sum() < LEAST_ROWS:
                continue
            matrix.set_label(move)
            matrix.set_weight(weight * age / np.mean(weight[weight > 0]))
            self._models[horizon] = xgb.train(self._told(horizon), matrix, num_boost_round=self.knobs.rounds)

    def _told(self, horizon: int) -> dict[str, object]:
        return {
            "objective": "reg:absoluteerror",
            "tree_method": "hist",
            "max_bin": 128,
            "max_depth": self.knobs.depth,
            "eta": self.knobs.learning_rate,
            "subsample": self.knobs.seen_share,
            "colsample_bynode": self.knobs.feature_share,
            "min_child_weight": self.knobs.least_weight,
            "base_score": 0.0,
            "nthread": self.threads,
            "seed": self.seed * 1000 + horizon,
        }

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """A horizon that was not learned lies between its neighbours, in log; beyond the last one it is NaN."""
        found = np.full((len(panel.commodities), len(horizons)), np.nan)
        if not self._models or self._selection is None or len(self._selection.leaders) != len(panel.commodities):
            return found
        base = Base(panel, self._selection)
        rows = np.arange(len(panel.commodities))
        cells = columns(base, self._chosen_features, rows, np.full(len(rows), len(panel.days) - 1))
        matrix = xgb.DMatrix(cells, nthread=self.threads)
        known = sorted(self._models)
        moves = np.array([self._models[h].predict(matrix) for h in known], dtype=np.float64)
        v, y = base.v[:, -1], base.y[:, -1]
        for place, horizon in enumerate(horizons):
            if horizon <= known[-1]:
                move = [np.interp(horizon, [0, *known], [0.0, *moves[:, row]]) for row in rows]
                found[:, place] = np.exp(y + v * np.array(move))
        return found

    def importance(self) -> dict[str, float]:
        """Mean share of the gain per feature, over the horizons; together 1."""
        names = [one.name for one in self._chosen_features]
        gains = np.zeros(len(names))
        for model in self._models.values():
            gain = model.get_score(importance_type="total_gain")
            of = np.array([float(gain.get(f"f{place}", 0.0)) for place in range(len(names))])
            gains += of / max(of.sum(), 1e-12) / len(self._models)
        return dict(zip(names, gains.tolist(), strict=True))


def learned_cells(base: Base, most: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(series, day) of the cells to learn from: fresh enough, with enough before them; thinned by days, counted from the end."""
    count = base.y.shape[1]
    day = np.arange(count)
    last = np.maximum.accumulate(np.where(base.seen, day, -1000), axis=1)
    first = np.where(base.seen.any(axis=1), base.seen.argmax(axis=1), count)
    fresh = (day - last < STALE_DAYS) & (day[None, :] >= first[:, None] + WARM_UP_DAYS) & (day < count - 1)
    every = max(int(np.ceil(fresh.sum() / most)), 1)
    # A stride of seven would see one weekday only.
    every += every % 7 == 0
    return np.nonzero(fresh & ((count - 1 - day) % every == 0)[None, :])


def labels(base: Base, series: npt.NDArray[np.int64], days: npt.NDArray[np.int64], horizon: int) -> tuple[Floats, Floats]:
    """(move to `horizon` days later in v, weight): weight v where somebody reported on that day, 0 elsewhere."""
    later = np.minimum(days + horizon, base.y.shape[1] - 1)
    v = base.v[series, days]
    move = (base.y[series, later] - base.y[series, days]) / v
    there = (days + horizon < base.y.shape[1]) & base.seen[series, later] & (np.abs(move) < LARGEST_MOVE * np.sqrt(horizon))
    return np.where(there, move, 0.0), np.where(there, v, 0.0)
