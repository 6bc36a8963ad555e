"""Robust linear regression of the move to come.

Weights per volatility class, adapted a little to each commodity.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats, Panel
from ml.features import FEATURES, feature_matrix, latest_features
from ml.features.inputs import FeatureInputs
from ml.features.related_series import RelatedSeries, Rows, find_related_series
from ml.models.forecaster import HORIZONS, Forecaster, training_horizons
from ml.models.training_rows import (
    LEAST_ROWS,
    FeatureModel,
    features_with_data,
    labels,
    predict_known_series,
    prices_from_moves,
    training_samples,
)
from ml.models.volatility import volatility_classes

GROUPS = ("own", "provinces", "lead-lag", "commodities", "second source")
NOT_LINEAR = {
    "days_since_change",
    "days_since_report",
    "reports28",
    "v180",
    "rsi14",
    "last_year7",
    "last_year28",
}
LINEAR_FEATURES = tuple(
    feature.name for feature in FEATURES if feature.group in GROUPS and feature.name not in NOT_LINEAR
)
# Products of two features: (factor, centre of the factor, features that it multiplies).
# How much of a move reverses depends on how noisy, national and scattered a series is.
PRODUCTS = (
    ("noise90", -0.3, ("r1", "r3", "own1", "own3", "gap_ma3", "gap_gap7")),
    ("same_share", 0.5, ("n3", "n7", "lead3", "own7")),
    ("spread", 1.0, ("n7", "own7", "gap_unusual")),
)
LARGEST_FEATURE = 25.0  # in v: one extreme day must not tilt the line
LARGEST_LABEL = 15.0  # in v
LEAST_SPREAD = 0.01  # of a term: one that hardly varies must not be scaled up
PASSES = 3  # of reweighting towards the absolute error


@dataclass
class Linear(FeatureModel):
    """Forecaster with the target and features of Boosting.

    A missing feature counts as 0, which means nothing unusual.
    """

    horizons: Sequence[int] = HORIZONS
    features: Sequence[str] = LINEAR_FEATURES
    rows: int = 50_000  # most samples to learn from
    ridge: float = 1000.0  # pull of a class's weights towards 0, in rows
    commodity_ridge: float = 500.0  # pull of a commodity's weights towards those of its class, in rows
    name: str = "linear"
    _weights: dict[int, Floats] = field(default_factory=dict, init=False)  # by horizon: (series, terms)
    series: tuple[tuple[str, str], ...] = field(default=(), init=False)  # of the fit, in its order
    used: tuple[str, ...] = field(default=(), init=False)  # of `features`, those that had data at the fit
    related: RelatedSeries = field(init=False, repr=False)

    def fit(self, panel: Panel) -> None:
        """Learn from samples whose target day is not after the panel's end."""
        self.fit_inputs(FeatureInputs(panel, find_related_series(panel)))

    def fit_inputs(self, inputs: FeatureInputs) -> None:
        """`fit` on the feature inputs of a panel."""
        self._weights = {}
        self.series = inputs.panel.series
        self.related = inputs.related
        self.used = features_with_data(self.features, inputs.panel)
        series, days = training_samples(inputs, self.rows)
        if len(series) < LEAST_ROWS:
            return
        terms = self._terms(feature_matrix(inputs, self.own_features, series, days))
        for horizon in self.horizons:
            move, weight = labels(inputs, series, days, horizon)
            usable = weight > 0
            if usable.sum() < LEAST_ROWS:
                continue
            move = np.clip(move[usable], -LARGEST_LABEL, LARGEST_LABEL)
            self._weights[horizon] = np.zeros((len(inputs.panel.commodities), terms.shape[1]))
            for rows, weights in self._fitted(inputs.panel, series[usable], terms[usable], move):
                # rounded: on another machine sums may be taken in another order
                self._weights[horizon][rows] = np.round(weights, 7)

    def moves(self, matrix: npt.NDArray[np.float32], series: Rows) -> dict[int, Floats]:
        """Horizon -> (samples,) moves in v. `matrix`: (samples, features), `series`: (samples,).

        Empty before a fit.
        """
        terms = self._terms(matrix)
        # Summed by numpy itself, not by BLAS, whose order depends on the number of threads.
        return {
            horizon: np.einsum("ct,ct->c", weights[series], terms)
            for horizon, weights in sorted(self._weights.items())
        }

    def _terms(self, matrix: npt.NDArray[np.float32]) -> Floats:
        """(samples, terms): the features, bounded, and those products whose factors are among them."""
        bounded = np.clip(np.nan_to_num(matrix.astype(np.float64)), -LARGEST_FEATURE, LARGEST_FEATURE)
        column = {feature.name: number for number, feature in enumerate(self.own_features)}
        products = [
            (bounded[:, column[factor]] - centre) * bounded[:, column[name]]
            for factor, centre, names in PRODUCTS
            for name in names
            if {factor, name} <= column.keys()
        ]
        return np.column_stack([bounded, *products])

    def _fitted(
        self, panel: Panel, series: Rows, terms: Floats, move: Floats
    ) -> Iterator[tuple[Rows, Floats]]:
        """(row numbers of a commodity, its weights) for every commodity of a class with enough samples."""
        class_of = volatility_classes(panel)
        class_of_row = np.array([class_of[commodity] for commodity in panel.commodities])
        for volatility in sorted(set(class_of.values())):
            in_class = class_of_row[series] == volatility
            if in_class.sum() < LEAST_ROWS:
                continue
            spread = np.maximum(terms[in_class].std(axis=0), LEAST_SPREAD)
            x = terms[in_class] / spread
            z = move[in_class]
            pooled, trust = _robust(x, z, self.ridge)
            residual = z - x @ pooled
            for commodity in (name for name, its_class in class_of.items() if its_class == volatility):
                rows = panel.rows_of(commodity)
                own = np.isin(series[in_class], rows)
                adapted = _solved(x[own], residual[own], trust[own], self.commodity_ridge)
                yield rows, (pooled + adapted) / spread

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; other horizons than those of the fit as in `prices_from_moves`."""
        if not self._weights:
            return np.full((len(panel.commodities), len(horizons)), np.nan)
        return predict_known_series(self.series, panel, partial(self._predict, horizons=horizons))

    def _predict(self, panel: Panel, horizons: Sequence[int]) -> Floats:
        inputs, matrix = latest_features(panel, self.related, self.own_features)
        moves = self.moves(matrix, np.arange(len(matrix)))
        return prices_from_moves(inputs, np.array(list(moves.values())), list(moves), horizons)


def make(name: str, seed: int, quick: bool) -> Forecaster:
    """The model for `training_horizons`; `quick` learns from 20,000 rows instead of 50,000.

    Nothing is random.
    """
    return Linear(training_horizons(), rows=20_000) if quick else Linear(training_horizons())


def _robust(x: Floats, z: Floats, ridge: float) -> tuple[Floats, Floats]:
    """(weights, trust in each row): iteratively reweighted least squares.

    Rows further from the line than half a usual daily move count less (Huber 1964).
    """
    trust = np.ones(len(z))
    for _ in range(PASSES):
        weights = _solved(x, z, trust, ridge)
        trust = 1 / np.maximum(np.abs(z - x @ weights), 0.5)
    return weights, trust


def _solved(x: Floats, z: Floats, trust: Floats, ridge: float) -> Floats:
    """Weights of the ridge regression of z on x, rows weighted by `trust`."""
    weighted = x * trust[:, None]
    return np.asarray(
        np.linalg.solve(weighted.T @ x + ridge * np.eye(x.shape[1]), weighted.T @ z), np.float64
    )
