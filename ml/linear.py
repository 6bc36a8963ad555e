"""Robust linear regression of the move to come: one set of weights per volatility class, bent a little for each good."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ml.features import FEATURES, Base, Feature, Selection, chosen, columns, latest
from ml.forecaster import HORIZONS
from ml.learned import LEAST_ROWS, features_named, labels, learned_cells, prices
from ml.panel import Floats, Panel
from ml.volatility import classes

GROUPS = ("own", "provinces", "lead-lag", "goods")
AGES = {"days_since_change", "days_since_report", "reports28", "v180", "last_year7", "last_year28"}  # nothing straight about them
LINEAR = tuple(one.name for one in FEATURES if one.group in GROUPS and one.name not in AGES)
# How much of a move comes back depends on how noisy, national, scattered a series is: (what bends, around, what is bent).
PRODUCTS = (
    ("noise90", -0.3, ("r1", "r3", "own1", "own3", "gap_ma3", "gap_gap7")),
    ("same_share", 0.5, ("n3", "n7", "lead3", "own7")),
    ("spread", 1.0, ("n7", "own7", "gap_unusual")),
)
LARGEST_FEATURE, LARGEST_LABEL = 25.0, 15.0  # in v: one wild day must not tilt the line
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
    _weights: dict[int, npt.NDArray[np.float64]] = field(default_factory=dict, init=False)  # horizon → (series, terms)
    _selection: Selection | None = field(default=None, init=False)

    @property
    def _features(self) -> list[Feature]:
        return features_named(self.features)

    def fit(self, panel: Panel) -> None:
        """Learn from cells whose target day is not after the panel's end."""
        self._weights, self._selection = {}, chosen(panel)
        base = Base(panel, self._selection)
        series, days = learned_cells(base, self.rows)
        if len(series) < LEAST_ROWS:
            return
        cells = self._terms(columns(base, self._features, series, days))
        for horizon in self.horizons:
            move, weight = labels(base, series, days, horizon)
            there = weight > 0
            if there.sum() < LEAST_ROWS:
                continue
            move = np.clip(move[there], -LARGEST_LABEL, LARGEST_LABEL)
            self._weights[horizon] = np.zeros((len(panel.commodities), cells.shape[1]))
            for rows, weights in self._fitted(panel, series[there], cells[there], move):
                self._weights[horizon][rows] = weights

    def _terms(self, cells: npt.NDArray[np.float32]) -> Floats:
        """(cells, terms): the features, bounded, and those products whose factors are among them."""
        bounded = np.clip(np.nan_to_num(cells.astype(np.float64)), -LARGEST_FEATURE, LARGEST_FEATURE)
        place = {one.name: at for at, one in enumerate(self._features)}
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
            spread = cells[here].std(axis=0) + 1e-6
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
        if not self._weights or self._selection is None or len(self._selection.leaders) != len(panel.commodities):
            return np.full((len(panel.commodities), len(horizons)), np.nan)
        base, cells = latest(panel, self._selection, self._features)
        known = sorted(self._weights)
        # Summed by numpy itself, not by BLAS, whose order depends on the number of threads.
        terms = self._terms(cells)
        moves = np.array([(self._weights[h] * terms).sum(axis=1) for h in known])
        return prices(base, moves, known, horizons)


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
