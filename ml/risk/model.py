"""The probability that a price rises by 10 % or more within a week: boosted trees over all series.

The trees start from the share of such rises that the commodity had in the days of the fit, its climatology.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import xgboost as xgb

from ml.data.panel import Floats, Panel
from ml.features import feature_matrix, latest_features
from ml.features.inputs import FeatureInputs
from ml.features.related_series import Rows, find_related_series
from ml.models.boosting import BINS, TREE_FEATURES
from ml.models.training_rows import (
    LEAST_ROWS,
    STALE_DAYS,
    FeatureModel,
    features_with_data,
    training_samples,
)

# With feasts risks of a bin are within 3 points of the share of rises; without, 54 % were 43 % (Panel Harga).
RISK_FEATURES = (*TREE_FEATURES, "fitri", "natal", "ramadan")
HORIZON = 7
RISE = np.log(1.10)
SHOWN_DRIVERS = 3
FeaturesAt = Callable[[Rows, Rows], npt.NDArray[np.float32]]  # (series, days) -> (samples, features)
PRIOR_CASES = 20.0  # of the share over all commodities, added to those of each commodity
PARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_bin": BINS,
    "max_depth": 4,
    "eta": 0.08,
    "subsample": 0.5,
    "colsample_bynode": 0.3,
    "min_child_weight": 20.0,
}


@dataclass
class RiskModel(FeatureModel):
    """A forecaster whose `predict` gives probabilities instead of prices, for a horizon of 7 days only.

    A fit needs LEAST_ROWS samples and a rise among them; without, every probability is NaN.
    """

    seed: int = 0
    rounds: int = 60
    rows: int = 60_000  # most samples to learn from
    features: Sequence[str] = RISK_FEATURES
    threads: int = 1
    name: str = "risk"
    used: tuple[str, ...] = field(default=(), init=False)  # of `features`, those that had data at the fit
    _climatology: dict[str, float] = field(default_factory=dict, init=False)
    _trees: xgb.Booster | None = field(default=None, init=False)

    def fit(self, panel: Panel) -> None:
        """Learn from every sample whose target day is not after the panel's end."""
        inputs = FeatureInputs(panel, find_related_series(panel))
        self.fit_inputs(inputs, lambda *at: feature_matrix(inputs, self.own_features, *at))

    def fit_inputs(self, inputs: FeatureInputs, features_at: FeaturesAt) -> None:
        """`fit` on the inputs of a panel, whose features of samples `features_at` gives."""
        panel = inputs.panel
        self._trees = None
        self.used = features_with_data(self.features, panel)
        series, days = training_samples(inputs, self.rows)
        rises, usable = rises_after(inputs, series, days)
        series = series[usable]
        days = days[usable]
        rises = rises[usable]
        if len(series) < LEAST_ROWS or not rises.any():
            return
        self._climatology = climatology(panel, series, rises)
        samples = xgb.QuantileDMatrix(
            features_at(series, days),
            rises,
            base_margin=self._margins(panel)[series],
            max_bin=BINS,
            nthread=self.threads,
        )
        parameters = PARAMETERS | {"nthread": self.threads, "seed": self.seed}
        self._trees = xgb.train(parameters, samples, num_boost_round=self.rounds)

    def predict(self, panel: Panel, horizons: Sequence[int] = (HORIZON,)) -> Floats:
        """(series, horizons) probability of a rise after the panel's last day.

        NaN for another horizon, a series without a price in the last STALE_DAYS, and before a fit.
        """
        risk = np.full((len(panel.series), len(horizons)), np.nan)
        if self._trees is not None and HORIZON in horizons:
            risk[:, list(horizons).index(HORIZON)] = self.predict_features(panel, self._latest(panel))
        return risk

    def predict_features(self, panel: Panel, features: npt.NDArray[np.float32]) -> Floats:
        """(series,) `predict` for HORIZON from the features of the panel's last day."""
        if self._trees is None:
            return np.full(len(panel.series), np.nan)
        predicted = self._trees.predict(self._samples(panel, features)).astype(np.float64)
        is_recent = np.isfinite(panel.price[:, -STALE_DAYS:]).any(axis=1)
        return np.where(is_recent, predicted, np.nan)

    def drivers(self, panel: Panel) -> list[list[str]]:
        """Of each series the features that raise its risk most, by exact Shapley values, highest first."""
        if self._trees is None:
            return [[] for _ in panel.series]
        samples = self._samples(panel, self._latest(panel))
        shares = self._trees.predict(samples, pred_contribs=True)[:, :-1]
        names = [feature.name for feature in self.own_features]
        order = np.argsort(-shares, axis=1, kind="stable")[:, :SHOWN_DRIVERS]
        return [[names[nth] for nth in row if shares[series, nth] > 0] for series, row in enumerate(order)]

    def climatology_of(self, commodity: str) -> float:
        """Share of rises of the commodity in the days of the fit; over all commodities for an unknown one."""
        return self._climatology.get(commodity, self._climatology[""])

    def _latest(self, panel: Panel) -> npt.NDArray[np.float32]:
        return latest_features(panel, find_related_series(panel), self.own_features)[1]

    def _samples(self, panel: Panel, features: npt.NDArray[np.float32]) -> xgb.DMatrix:
        return xgb.DMatrix(features, base_margin=self._margins(panel), nthread=self.threads)

    def _margins(self, panel: Panel) -> Floats:
        """(series,) log odds of the climatology."""
        share = np.array([self.climatology_of(commodity) for commodity in panel.commodities])
        return np.asarray(np.log(share / (1 - share)))

    def to_json(self) -> dict[str, Any]:
        """The fit in values of JSON; loading it runs no code."""
        if self._trees is None:
            raise ValueError("a model that was not fitted cannot be saved")
        trees = orjson.loads(self._trees.save_raw("json"))
        return {"features": self.used, "climatology": self._climatology, "trees": trees}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "RiskModel":
        """The model that `to_json` gave. Raises KeyError or XGBoostError for anything else."""
        model = cls(features=tuple(saved["features"]))
        model.used = tuple(saved["features"])
        model._climatology = dict(saved["climatology"])
        model._trees = xgb.Booster({"nthread": 1})
        model._trees.load_model(bytearray(orjson.dumps(saved["trees"])))
        return model


def rises_after(
    inputs: FeatureInputs, series: Rows, days: Rows
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(samples,) whether the price rose by 10 % within HORIZON days, and whether it was reported then."""
    later = np.minimum(days + HORIZON, inputs.y.shape[1] - 1)
    usable = (days + HORIZON < inputs.y.shape[1]) & inputs.seen[series, later]
    return inputs.y[series, later] - inputs.y[series, days] >= RISE, usable


def climatology(panel: Panel, series: Rows, rises: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Commodity -> share of rises among its samples, drawn a little towards that of all, which is ""."""
    overall = float(rises.mean())
    names = np.array(panel.commodities)[series]
    shares = {"": overall}
    for name in panel.distinct_commodities:
        own = rises[names == name]
        shares[name] = float((own.sum() + PRIOR_CASES * overall) / (len(own) + PRIOR_CASES))
    return shares
