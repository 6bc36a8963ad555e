"""Pooled gradient boosting.

One model per horizon over all series, of the move to come in units of the usual daily move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from ml.data.panel import Floats, Panel
from ml.features import FEATURES, feature_matrix, latest_features
from ml.features.inputs import Feature, FeatureInputs
from ml.features.related_series import Rows, find_related_series
from ml.models.forecaster import HORIZONS, Forecaster, training_horizons
from ml.models.linear import Linear
from ml.models.training_rows import (
    LEAST_ROWS,
    FeatureModel,
    features_with_data,
    labels,
    predict_known_series,
    prices_from_moves,
    training_samples,
)

BINS = 128
# The same for all series of a day, or only a name: trees would learn past dates (measured on Panel Harga).
EXCLUDED_GROUPS = ("calendar", "world", "weather", "codes", "law")
TREE_FEATURES = tuple(
    feature.name
    for feature in FEATURES
    if feature.group not in EXCLUDED_GROUPS and feature.name not in ("last_year7", "last_year28")
)


@dataclass(frozen=True)
class TreeOptions:
    """Hyperparameters of a fit. Chosen on Panel Harga, on origins before the final holdout."""

    rounds: int = 80
    depth: int = 4
    learning_rate: float = 0.1
    rows: int = 90_000  # most samples to learn from; with more, every second day is taken, every third …
    row_share: float = 0.5  # of rows that a tree sees
    feature_share: float = 0.4  # of features that a split sees
    least_weight: float = 40.0  # in a leaf


@dataclass
class Boosting(FeatureModel):
    """Forecaster.

    Target (y[t+h] − y[t]) / v; loss L1 with weight v, which is the absolute error of log prices.

    The trees start from the predictions of a robust linear model: linear relations would cost them most of
    their rounds.
    """

    seed: int = 0
    horizons: Sequence[int] = HORIZONS
    options: TreeOptions = field(default_factory=TreeOptions)
    features: Sequence[str] = TREE_FEATURES
    threads: int = 1  # forecasts do not depend on it; more threads than free cores make it slower by far
    name: str = "boosting"
    used: tuple[str, ...] = field(default=(), init=False)  # of `features`, those that had data at the fit

    def __post_init__(self) -> None:
        self._models: dict[int, xgb.Booster] = {}
        self._linear = Linear(self.horizons)

    @property
    def _all_features(self) -> list[Feature]:
        return sorted({*self.own_features, *self._linear.own_features}, key=FEATURES.index)

    @property
    def exogenous(self) -> tuple[str, ...]:
        """Names of the exogenous series that its features read."""
        return tuple(sorted({*super().exogenous, *self._linear.exogenous}))

    def _columns_of(
        self, features: Sequence[Feature], matrix: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(samples, these features) out of all features."""
        names = {feature.name for feature in features}
        return matrix[:, [feature.name in names for feature in self._all_features]]

    def _linear_moves(self, matrix: npt.NDArray[np.float32], series: Rows) -> dict[int, Floats]:
        """Horizon -> (samples,) moves that the linear model predicts, in v. `matrix` holds all features."""
        return self._linear.moves(self._columns_of(self._linear.own_features, matrix), series)

    def fit(self, panel: Panel) -> None:
        """Learn from every sample whose target day is not after the panel's end."""
        self._models = {}
        self.used = features_with_data(self.features, panel)
        inputs = FeatureInputs(panel, find_related_series(panel))
        self._linear.fit_inputs(inputs)
        series, days = training_samples(inputs, self.options.rows)
        if len(series) < LEAST_ROWS:
            return
        samples = feature_matrix(inputs, self._all_features, series, days)
        linear_moves = self._linear_moves(samples, series)
        matrix = xgb.QuantileDMatrix(
            self._columns_of(self.own_features, samples), max_bin=BINS, nthread=self.threads
        )
        for horizon in linear_moves:
            move, weight = labels(inputs, series, days, horizon)
            matrix.set_label(move)
            matrix.set_weight(weight / np.mean(weight[weight > 0]))
            matrix.set_base_margin(linear_moves[horizon])
            parameters = self._parameters(horizon)
            self._models[horizon] = xgb.train(parameters, matrix, num_boost_round=self.options.rounds)

    def _parameters(self, horizon: int) -> dict[str, object]:
        return {
            "objective": "reg:absoluteerror",
            "tree_method": "hist",
            "max_bin": BINS,
            "max_depth": self.options.depth,
            "eta": self.options.learning_rate,
            "subsample": self.options.row_share,
            "colsample_bynode": self.options.feature_share,
            "min_child_weight": self.options.least_weight,
            "base_score": 0.0,
            "nthread": self.threads,
            "seed": self.seed * 1000 + horizon,
        }

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; other horizons than those of the fit as in `prices_from_moves`."""
        if not self._models:
            return np.full((len(panel.commodities), len(horizons)), np.nan)
        return predict_known_series(self._linear.series, panel, partial(self._predict, horizons=horizons))

    def _predict(self, panel: Panel, horizons: Sequence[int]) -> Floats:
        rows = np.arange(len(panel.commodities))
        inputs, samples = latest_features(panel, self._linear.related, self._all_features)
        linear_moves = self._linear_moves(samples, rows)
        columns = self._columns_of(self.own_features, samples)
        moves = []
        for horizon, model in self._models.items():
            matrix = xgb.DMatrix(columns, base_margin=linear_moves[horizon], nthread=self.threads)
            moves.append(model.predict(matrix).astype(np.float64))
        return prices_from_moves(inputs, np.array(moves), list(self._models), horizons)

    def importance(self) -> dict[str, float]:
        """Feature -> mean share of the gain over the horizons; the sum is 1. Empty before a fit."""
        if not self._models:
            return {}
        features = self.own_features
        shares = np.zeros(len(features))
        for model in self._models.values():
            by_column = model.get_score(importance_type="total_gain")
            gain = np.array(
                [by_column.get(f"f{column}", 0.0) for column in range(len(features))], dtype=float
            )
            shares += gain / max(gain.sum(), 1e-12) / len(self._models)
        return {feature.name: float(share) for feature, share in zip(features, shares, strict=True)}


def make(name: str, seed: int, quick: bool) -> Forecaster:
    """The model for `training_horizons`; `quick` grows half the trees on a sixth of the rows."""
    if quick:
        options = TreeOptions(rounds=40, depth=4, learning_rate=0.15, rows=15_000)
        return Boosting(seed, training_horizons(), options)
    return Boosting(seed, training_horizons())
