"""From predictions to decisions: intervals, scores and the gate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.data.panel import Panel
from ml.evaluation.conformal import Calibration, Intervals, calibrate
from ml.evaluation.gate import Decision, choose_champions, decide
from ml.evaluation.leakage_checks import ModelChecks
from ml.evaluation.predictions import NAIVE, Predictions
from ml.evaluation.significance import SkillTest
from ml.models.volatility import volatility_classes


@dataclass(frozen=True)
class Assessment:
    """All that follows from the predictions of a backtest.

    Naive has intervals and a calibration but no decisions.
    """

    predictions: Predictions
    intervals: dict[str, Intervals]  # by model
    # by model; after the last prediction, for the intervals to be served
    calibrations: dict[str, Calibration]
    decisions: dict[str, dict[str, Decision]]  # by model, then commodity
    champions: dict[str, Decision | None]  # by commodity; None = naive

    def summary(self, commodity: str) -> str:
        """Why the champion of a commodity serves: its scores, or why the best challenger does not."""
        if champion := self.champions.get(commodity):
            return champion.summary
        decisions = [
            by_commodity[commodity] for by_commodity in self.decisions.values() if commodity in by_commodity
        ]
        if not decisions:
            return "naive: no model was evaluated"
        best = max(decisions, key=lambda decision: np.nan_to_num(decision.scores.skill, nan=-np.inf))
        return f"naive: no model is better; the best was {best.summary}"


def assess(
    panel: Panel,
    predictions: Predictions,
    checks: Mapping[str, ModelChecks],
    random_walk_tests: Mapping[str, SkillTest] | None = None,
) -> Assessment:
    """Decide for every model of the predictions.

    A model without checks counts as one that failed them all.
    """
    calibrated = {model: calibrate(predictions, model) for model in predictions.models}
    intervals = {model: of_model for model, (of_model, _) in calibrated.items()}
    # volatility as it was when the first forecast was made: classes are chosen before, not after
    volatility = volatility_classes(panel.until(int(predictions.origin.min()))) if len(predictions) else {}
    unchecked = ModelChecks(truncation=False, rerun=False, unchanged=False, leakage=False)
    decisions = {
        model: decide(
            predictions,
            model,
            intervals,
            volatility,
            checks.get(model, unchecked),
            (random_walk_tests or {}).get(model),
        )
        for model in predictions.models
        if model != NAIVE
    }
    champions = dict.fromkeys(predictions.distinct_commodities) | choose_champions(decisions.values())
    calibrations = {model: calibration for model, (_, calibration) in calibrated.items()}
    return Assessment(predictions, intervals, calibrations, decisions, champions)
