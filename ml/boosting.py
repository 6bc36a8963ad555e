"""Pooled gradient boosting: one model per horizon over all series, of the move to come in units of the usual daily move."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from ml.features import FEATURES, Base, Feature, chosen, columns, latest
from ml.forecaster import HORIZONS
from ml.learned import LEAST_ROWS, features_named, labels, learned_cells, of_learned, prices
from ml.linear import Linear
from ml.panel import Floats, Panel

BINS = 128
# The same for all series of a day, or only a name: trees learn the dates of the past from them (measured on Panel Harga).
NOT_LEARNED = ("calendar", "world", "weather", "codes", "law")
LEARNED = tuple(one.name for one in FEATURES if one.group not in NOT_LEARNED and one.name not in ("last_year7", "last_year28"))


@dataclass(frozen=True)
class Knobs:
    """Of one fit. Chosen on Panel Harga, on origins before the final holdout."""

    rounds: int = 80
    depth: int = 4
    learning_rate: float = 0.1
    rows: int = 90_000  # most cells to learn from; with more, every second day, every third …
    seen_share: float = 0.5  # of rows a tree sees
    feature_share: float = 0.4  # of features a split sees
    least_weight: float = 40.0  # in a leaf


@dataclass
class Boosting:
    """Forecaster (ml.forecaster). Target (y[t+h] − y[t]) / v; loss L1 with weight v, which is the error of log prices.

    The trees begin where a robust linear model ends: straight relations cost them most of their rounds.
    """

    seed: int = 0
    horizons: Sequence[int] = HORIZONS
    knobs: Knobs = field(default_factory=Knobs)
    features: Sequence[str] = LEARNED
    threads: int = 1  # answers do not depend on it; more than free cores make it slower by far
    name: str = "boosting"

    def __post_init__(self) -> None:
        self._models: dict[int, xgb.Booster] = {}
        self._linear = Linear(self.horizons)

    @property
    def _features(self) -> list[Feature]:
        return features_named(self.features)

    @property
    def _all_features(self) -> list[Feature]:
        return features_named({*self.features, *self._linear.features})

    def _own(self, cells: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What the trees learn from, out of all features."""
        return cells[:, [one.name in set(self.features) for one in self._all_features]]

    def _straight(self, cells: npt.NDArray[np.float32], series: npt.NDArray[np.int64]) -> dict[int, Floats]:
        """What the linear model says, by horizon."""
        return self._linear.moves(cells[:, [one.name in set(self._linear.features) for one in self._all_features]], series)

    def fit(self, panel: Panel) -> None:
        """Learn from every cell whose target day is not after the panel's end."""
        self._models = {}
        base = Base(panel, chosen(panel))
        self._linear.learn(base)
        series, days = learned_cells(base, self.knobs.rows)
        if len(series) < LEAST_ROWS:
            return
        cells = columns(base, self._all_features, series, days)
        straight = self._straight(cells, series)
        matrix = xgb.QuantileDMatrix(self._own(cells), max_bin=BINS, nthread=self.threads)
        for horizon in straight:
            move, weight = labels(base, series, days, horizon)
            matrix.set_label(move)
            matrix.set_weight(weight / np.mean(weight[weight > 0]))
            matrix.set_base_margin(straight[horizon])
            self._models[horizon] = xgb.train(self._told(horizon), matrix, num_boost_round=self.knobs.rounds)

    def _told(self, horizon: int) -> dict[str, object]:
        return {
            "objective": "reg:absoluteerror",
            "tree_method": "hist",
            "max_bin": BINS,
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
        """Horizons that were not learned: ml.learned.prices."""
        if not self._models:
            return np.full((len(panel.commodities), len(horizons)), np.nan)
        return of_learned(self._linear.series, panel, partial(self._forecast, horizons=horizons))

    def _forecast(self, panel: Panel, horizons: Sequence[int]) -> Floats:
        rows = np.arange(len(panel.commodities))
        base, cells = latest(panel, self._linear.selection, self._all_features)
        straight, own = self._straight(cells, rows), self._own(cells)
        moves = []
        for horizon, model in self._models.items():
            matrix = xgb.DMatrix(own, base_margin=straight[horizon], nthread=self.threads)
            moves.append(model.predict(matrix).astype(np.float64))
        return prices(base, np.array(moves), list(self._models), horizons)

    def importance(self) -> dict[str, float]:
        """Mean share of the gain per feature, over the horizons; together 1. Empty before a fit."""
        gains = np.zeros(len(self._features))
        for model in self._models.values():
            gain = model.get_score(importance_type="total_gain")
            of = np.array([float(gain.get(f"f{place}", 0.0)) for place in range(len(gains))])
            gains += of / max(of.sum(), 1e-12) / len(self._models)
        return {one.name: float(gain) for one, gain in zip(self._features, gains, strict=True)} if self._models else {}
