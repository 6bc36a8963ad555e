"""A mean of models, weighted per volatility class by how they did on origins that were past; always with naive in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.cells import NAIVE, Cells
from ml.forecaster import HORIZONS, REFIT_ORIGINS, Forecaster
from ml.panel import Floats, Panel
from ml.volatility import classes

Weights = Mapping[str, Mapping[str, float]]  # volatility class → model → share; together 1
STEPS = 15  # one model is taken in at each, the same one perhaps again (greedy selection with replacement)
LEAST_NAIVE = 0.25  # models err together when a market turns; naive never errs by more than the turn itself
LEAST_ORIGINS = 4  # below it nothing is known about the models, and naive speaks alone
ALONE: Mapping[str, float] = {NAIVE: 1.0}


def greedy(actual: Floats, naive: Floats, members: Mapping[str, Floats]) -> dict[str, float]:
    """Shares that make Σ|actual − blend| / naive small on these cells: of all cells alike, whatever a good costs."""
    offered = {**members, NAIVE: naive}
    count = dict.fromkeys(offered, 0)
    total = np.zeros(len(actual))
    for step in range(1, STEPS + 1):
        error = {
            name: (np.abs(actual - LEAST_NAIVE * naive - (1 - LEAST_NAIVE) * (total + forecast) / step) / naive).sum()
            for name, forecast in offered.items()
        }
        best = min(error, key=lambda name: (error[name], name))
        count[best] += 1
        total += offered[best]
    share = {name: (1 - LEAST_NAIVE) * taken / STEPS for name, taken in count.items()}
    return share | {NAIVE: share[NAIVE] + LEAST_NAIVE}


def learned(cells: Cells, members: Sequence[str], of: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Weights of each volatility class from cells that nobody was fitted on; `of` says the class of each good."""
    others = [name for name in members if name != NAIVE]
    label = np.array([of.get(good, "") for good in cells.goods])[cells.good] if len(cells) else np.empty(0, dtype=str)
    found = {}
    for one in sorted(set(of.values())):
        there = label == one
        enough = len(np.unique(cells.origin[there])) >= LEAST_ORIGINS
        tried = {name: cells.forecasts[name][there] for name in others}
        found[one] = greedy(cells.actual[there], cells.naive[there], tried) if enough else dict(ALONE)
    return found


def walked(cells: Cells, members: Sequence[str], panel: Panel) -> Floats:
    """The ensemble's column of a backtest: at each origin blended with weights from the cells whose targets were then known."""
    blend = np.full(len(cells), np.nan)
    weights: dict[str, dict[str, float]] = {}
    of: dict[str, str] = {}
    for nth, origin in enumerate(np.unique(cells.origin)):
        if nth % REFIT_ORIGINS == 0:
            of = classes(panel.until(int(origin)))
            weights = learned(cells.where(cells.origin + cells.horizon <= origin), members, of)
        here = cells.origin == origin
        label = np.array([of[good] for good in cells.goods])[cells.good[here]]
        shares = {name: np.array([weights[one].get(name, 0.0) for one in label]) for name in {*members, NAIVE}}
        blend[here] = sum(shares[name] * cells.forecasts[name][here] for name in sorted(shares))
    return blend


@dataclass
class Ensemble:
    """Forecaster (ml.forecaster): its members are fitted with it. A member that gives nothing for a series is naive there."""

    members: Mapping[str, Forecaster]
    weights: Weights  # as `learned` from a backtest of the members; a class without: naive
    name: str = "ensemble"
    _of: dict[str, str] = field(default_factory=dict, init=False)

    def fit(self, panel: Panel) -> None:
        """Fit every member that has a weight."""
        self._of = classes(panel)
        for name, member in self.members.items():
            if any(shares.get(name, 0.0) > 0 for shares in self.weights.values()):
                member.fit(panel)

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """Rupiah; NaN for a series that was never seen."""
        naive = np.repeat(panel.filled[:, -1:], len(horizons), axis=1)
        shares = [self.weights.get(self._of.get(good, ""), ALONE) for good in panel.commodities]
        total = np.zeros_like(naive)
        for name in sorted({*self.members, NAIVE}):
            share = np.array([one.get(name, 0.0) for one in shares])
            if share.any():
                given = naive if name == NAIVE else self.members[name].forecast(panel, horizons)
                total += share[:, None] * np.where(np.isfinite(given) & (given > 0), given, naive)
        return total
