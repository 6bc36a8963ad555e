"""Robust linear regression of the move to come: one set of weights per volatility class, bent a little for each good."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from ml.features import FEATURES, Base, Feature, Selection, chosen, columns, latest
from ml.forecaster import HORIZONS
from ml.learned import LEAST_ROWS, features_named, labels, learned_cells, of_learned, prices
from ml.panel import Floats, Panel
from ml.volatility import classes

GROUPS = ("own", "provinces", "lead-lag", "goods")
CROOKED = {"days_since_change", "days_since_report", "reports28", "v180", "rsi14", "last_year7", "last_year28"}
LINEAR = tuple(one.name for one in FEATURES if one.group in GROUPS and one.name not in CROOKED)
# How much of a move comes back depends on how noisy, national, scattered a series is: (what bends, around, what is bent).
PRODUCTS = (
    ("noise90", -0.3, ("r1", "r3", "own1", "own3", "gap_ma3", "gap_gap7")),
    ("same_share", 0.5, ("n3", "n7", "lead3", "own7")),
    ("spread", 1.0, ("n7", "own7", "gap_unusual")),
)
LARGEST_FEATURE, LARGEST_LABEL = 25.0, 15.0  # in v: one wild day must not tilt the line
LEAST_SPREAD = 0.01  # of a term: one that hardly varies must not be blown up
PASSES = 3  # of reweighting towards the absolute error


@dataclass
class Linear:
    """Forecaster (ml.forecaster). Target and features as of Boosting; what is missing counts as 0, nothing unusual."""

    horizons: Sequence[int] = HORIZONS
    features: Sequence[str] = LINEAR
    rows: int = 50_000  # most cells to learn from
    ridge: float = 1000.0  # pull of a class's weights towards 0, in rows
    good_ridge: float = 500.0  # pull of a good's weights towards its class's, in rows
    name: str = "linear"
    _weights: dict[int, npt.NDArray[np.float64]] = field(default_factory=dict, init=False)  # by horizon: (series, terms)
    series: tuple[tuple[str, str], ...] = field(default=(), init=False)  # of the fit, in its order
    selection: Selection = field(init=False, repr=False)

    @property
    def own_features(self) -> list[Feature]:
        """Those that `moves` is given the values of."""
        return features_named(self.features)

    def fit(self, panel: Panel) -> None:
        """Learn from cells whose target day is not after the panel's end."""
        self.learn(Base(panel, chosen(panel)))

    def learn(self, base: Base) -> None:
        """`fit` on what the features of a panel are made of."""
        self._weights, self.series, self.selection = {}, base.panel.series, base.selection
        series, days = learned_cells(base, self.rows)
        if len(series) < LEAST_ROWS:
            return
        terms = self._terms(columns(base, self.own_features, series, days))
        for horizon in self.horizons:
            move, weight = labels(base, series, days, horizon)
            there = weight > 0
            if there.sum() < LEAST_ROWS:
                continue
            move = np.clip(move[there], -LARGEST_LABEL, LARGEST_LABEL)
            self._weights[horizon] = np.zeros((len(base.panel.commodities), terms.shape[1]))
            for rows, weights in self._fitted(base.panel, series[there], terms[there], move):
                self._weights[horizon][rows] = np.round(weights, 7)  # sums may be taken in another order elsewhere

    def moves(self, cells: npt.NDArray[np.float32], series: npt.NDArray[np.int64]) -> dict[int, Floats]:
        """Horizon → (cells,) moves in v, from the values of `features` in cells of these series. Empty before a fit."""
        terms = self._terms(cells)
        # Summed by numpy itself, not by BLAS, whose order depends on the number of threads.
        return {horizon: np.einsum("ct,ct->c", weights[series], terms) for horizon, weights in sorted(self._weights.items())}

    def _terms(self, cells: npt.NDArray[np.float32]) -> Floats:
        """(cells, terms): the features, bounded, and those products whose factors are among them."""
        bounded = np.clip(np.nan_to_num(cells.astype(np.float64)), -LARGEST_FEATURE, LARGEST_FEATURE)
        place = {one.name: at for at, one in enumerate(self.own_features)}
        made = [
            (bounded[:, place[bend]] - around) * bounded[:, place[name]]
            for bend, around, bent in PRODUCTS
            for name in bent
            if {bend, name} <= place.keys()
        ]
        return np.column_stack([bounded, *made])

    def _fitted(
        self, panel: Panel, series: npt.NDArray[np.int64], cells: Floats, move: Floats
    ) -> Iterator[tuple[object, Floats]]:
        """(rows of a good, its weights)"""
        of = classes(panel)
        label = np.array([of[good] for good in panel.commodities])
        for one in sorted(set(of.values())):
            here = label[series] == one
            if here.sum() < LEAST_ROWS:
                continue
            spread = np.maximum(cells[here].std(axis=0), LEAST_SPREAD)
            x, z = cells[here] / spread, move[here]
            pooled, trust = _robust(x, z, self.ridge)
            left = z - x @ pooled
            for good in (name for name, its in of.items() if its == one):
                rows = panel.of(good)
                mine = np.isin(series[here], rows)
                bent = _solved(x[mine], left[mine], trust[mine], self.good_ridge)
                yield rows, (pooled + bent) / spread

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """Horizons that were not learned: ml.learned.prices."""
        if not self._weights:
            return np.full((len(panel.commodities), len(horizons)), np.nan)
        return of_learned(self.series, panel, partial(self._forecast, horizons=horizons))

    def _forecast(self, panel: Panel, horizons: Sequence[int]) -> Floats:
        base, cells = latest(panel, self.selection, self.own_features)
        moves = self.moves(cells, np.arange(len(cells)))
        return prices(base, np.array(list(moves.values())), list(moves), horizons)


def _robust(x: Floats, z: Floats, ridge: float) -> tuple[Floats, Floats]:
    """(weights, trust in each row): least squares, then rows far from the line count less (Huber, half a usual daily move)."""
    trust = np.ones(len(z))
    for _ in range(PASSES):
        found = _solved(x, z, trust, ridge)
        trust = 1 / np.maximum(np.abs(z - x @ found), 0.5)
    return found, trust


def _solved(x: Floats, z: Floats, trust: Floats, ridge: float) -> Floats:
    weighted = x * trust[:, None]
    return np.linalg.solve(weighted.T @ x + ridge * np.eye(x.shape[1]), weighted.T @ z)
