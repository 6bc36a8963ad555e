"""The gate: a model serves a commodity only if it beats the naive forecast significantly."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from ml.data.panel import Panel
from ml.evaluation.conformal import Calibration, Intervals, calibrate
from ml.evaluation.leakage_checks import ModelChecks
from ml.evaluation.predictions import NAIVE, Predictions
from ml.evaluation.scores import ModelScores, scores_by_commodity
from ml.evaluation.significance import SkillTest, holm, shown
from ml.models.volatility import VOLATILE, volatility_classes


@dataclass(frozen=True)
class GateRequirements:
    """What a challenger must reach."""

    origins: int = 52  # a year of weeks
    skill_low: float = 0.0  # below the lower bound of the 90 % interval of skill
    p: float = 0.01  # over all commodities
    own_p: float = 0.05  # of the commodity, corrected for the number of commodities
    coverage_80: tuple[float, float] = (0.75, 0.85)
    wql: float = 0.92  # of conformal naive's, over all commodities or of this one
    own_wql: float = 1.01  # of conformal naive's, of this commodity, when only the pooled one reaches `wql`
    answered: float = 0.95  # share of predictions that the model gave itself
    null_t: float = 2.0  # on random walks, which nobody can forecast
    seconds: float = 300.0  # of one forecast of the whole panel


@dataclass(frozen=True)
class Decision:
    """Whether a model passes for a commodity; `reasons` are what it failed, empty when it passes."""

    commodity: str
    model: str
    volatility: str
    reasons: tuple[str, ...]
    scores: ModelScores
    p_holm: float  # the commodity's own p-value, corrected for the number of commodities tested

    @property
    def passed(self) -> bool:
        return not self.reasons

    @property
    def summary(self) -> str:
        """One line: why it serves or why not."""
        scores = self.scores
        figures = (scores.skill, scores.skill_low, scores.skill_high)
        own, low, high = (shown(figure, "+.1%") for figure in figures)
        skill = f"skill {own} ({low} … {high})"
        return "; ".join([f"{self.model}: {skill}", *self.reasons])


def decide(
    predictions: Predictions,
    model: str,
    intervals: Mapping[str, Intervals],
    volatility: Mapping[str, str],
    checks: ModelChecks,
    random_walk_test: SkillTest | None = None,
    requirements: GateRequirements | None = None,
) -> dict[str, Decision]:
    """Commodity -> decision about one challenger.

    `intervals`: by model, naive's among them; `volatility`: class by commodity; `random_walk_test`: skill of
    the model on driftless random walks, which should be none.
    """
    requirements = requirements or GateRequirements()
    own = scores_by_commodity(predictions, model, intervals[model])
    naive = scores_by_commodity(predictions, NAIVE, intervals[NAIVE])
    if "" not in own:
        return {}
    model_faults = _model_faults(predictions, model, own[""], checks, random_walk_test, requirements)
    pooled_wql = _ratio(own[""].wql, naive[""].wql)
    corrected = holm({commodity: scores.p for commodity, scores in own.items() if commodity})
    decisions = {}
    for commodity, scores in own.items():
        if commodity:
            its_class = volatility.get(commodity, VOLATILE)
            own_wql = _ratio(scores.wql, naive[commodity].wql)
            p_holm = corrected[commodity]
            faults = _commodity_faults(scores, p_holm, own_wql, pooled_wql, requirements)
            reasons = (*model_faults, *faults)
            decisions[commodity] = Decision(commodity, model, its_class, reasons, scores, p_holm)
    return decisions


def _model_faults(
    predictions: Predictions,
    model: str,
    pooled: ModelScores,
    checks: ModelChecks,
    random_walk_test: SkillTest | None,
    requirements: GateRequirements,
) -> list[str]:
    """What the model failed, whatever the commodity.

    `not (x > y)` also rejects a score that is not a number.
    """
    faults = [f"the check of {name} failed" for name in checks.faults]
    if not (pooled.t > 0 and pooled.p < requirements.p):
        faults.append(
            f"not significantly better over all commodities "
            f"(t = {shown(pooled.t, '.2f')}, p = {shown(pooled.p, '.3g')})"
        )
    answered = 1 - predictions.replaced.get(model, 0) / max(len(predictions), 1)
    if answered < requirements.answered:
        faults.append(f"gave only {answered:.0%} of the forecasts itself")
    if checks.seconds > requirements.seconds:
        faults.append(f"one forecast took {checks.seconds:.0f} s, more than {requirements.seconds:.0f}")
    if random_walk_test is not None and not random_walk_test.t < requirements.null_t:
        faults.append(f"finds skill on random walks (t = {shown(random_walk_test.t, '.2f')})")
    return faults


def _commodity_faults(
    scores: ModelScores, p_holm: float, own_wql: float, pooled_wql: float, requirements: GateRequirements
) -> list[str]:
    """What the model failed for one commodity."""
    faults = []
    if scores.origins < requirements.origins:
        faults.append(f"only {scores.origins} of {requirements.origins} origins for this commodity")
    if not scores.skill_low > requirements.skill_low:
        faults.append(f"skill may be as low as {shown(scores.skill_low, '+.1%')}")
    if not (scores.t > 0 and p_holm < requirements.own_p):
        faults.append(f"not significantly better for this commodity (p = {p_holm:.2g} by Holm's correction)")
    low, high = requirements.coverage_80
    if not low <= scores.coverage_80 <= high:
        faults.append(f"the 80 % interval covered {shown(scores.coverage_80, '.1%')}")
    pooled_enough = pooled_wql <= requirements.wql and own_wql <= requirements.own_wql
    if not (own_wql <= requirements.wql or pooled_enough):
        faults.append(
            f"quantile loss {shown(own_wql, '.3f')} of naive's for this commodity, "
            f"{shown(pooled_wql, '.3f')} over all ({requirements.wql} needed)"
        )
    return faults


def _ratio(own: float, other: float) -> float:
    """own / other; 1 when both are 0, infinite when only the other is."""
    return own / other if other else (1.0 if own == 0 else float("inf"))


def choose_champions(decisions: Iterable[Mapping[str, Decision]]) -> dict[str, Decision | None]:
    """Commodity -> the passing model with the highest lower bound of skill.

    None = naive, also when no skill is above 0.
    """
    champions: dict[str, Decision | None] = {}
    for by_commodity in decisions:
        for commodity, decision in by_commodity.items():
            best = champions.setdefault(commodity, None)
            if decision.passed and decision.scores.skill > 0:
                better = best is None or decision.scores.skill_low > best.scores.skill_low
                champions[commodity] = decision if better else best
    return champions


def decision_rows(decisions: Iterable[Mapping[str, Decision]]) -> list[dict[str, object]]:
    """A row for each model and commodity, for the record of a run."""
    rows = []
    for by_commodity in decisions:
        for decision in by_commodity.values():
            columns = asdict(decision)
            scores = columns.pop("scores")
            reasons = "; ".join(decision.reasons)
            rows.append({**columns, **scores, "passed": decision.passed, "reasons": reasons})
    return rows


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

    @property
    def passed(self) -> dict[str, Decision]:
        """Commodity -> its champion, where that is not naive."""
        return {commodity: decision for commodity, decision in self.champions.items() if decision}

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
