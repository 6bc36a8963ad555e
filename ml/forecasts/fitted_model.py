"""A fitted model with its intervals and its gate results: saved by a training run, loaded for an issue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ml.data.panel import Floats, Panel
from ml.evaluation.gate import Assessment
from ml.forecasts.interval_widths import Margins, reference_margins
from ml.models.forecaster import Forecaster

NAIVE = "naive"
NOT_EVALUATED = "no model was evaluated yet: naive is served"
IntervalModel = Callable[[Panel, Sequence[int]], Margins]


@dataclass(frozen=True)
class GateResult:
    """Result of a model's backtest for one commodity."""

    skill: float | None = None  # against naive, all horizons
    reason: str = NOT_EVALUATED


def gate_results(assessment: Assessment, model: str) -> dict[str, GateResult]:
    """Commodity -> result of the model's backtest; of naive, why it serves or why not."""
    if model == NAIVE:
        commodities = assessment.predictions.distinct_commodities
        return {commodity: GateResult(0.0, assessment.summary(commodity)) for commodity in commodities}
    return {
        commodity: GateResult(decision.scores.skill, decision.summary)
        for commodity, decision in assessment.decisions[model].items()
    }


@dataclass(frozen=True)
class Champion:
    """The model that serves a commodity, as the registry has it."""

    commodity: str
    model: str
    version: str
    run_id: str
    uri: str  # of the fitted model; the same for all commodities that one fit serves
    reason: str
    skill: float | None


@dataclass(frozen=True)
class FittedModel:
    """Forecasts the commodities in `commodities`.

    With None, all that no other fit of its name is limited to.
    """

    forecaster: Forecaster
    intervals: IntervalModel = reference_margins
    gate_results: Mapping[str, GateResult] = field(default_factory=dict)  # by commodity
    run_id: str | None = None
    commodities: frozenset[str] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)  # commodity -> registry version of the champion

    @property
    def name(self) -> str:
        """The model's name."""
        return self.forecaster.name

    def predict(self, panel: Panel, horizons: Sequence[int]) -> Floats:
        """(series, horizons) rupiah; NaN for series that were not there when it was fitted."""
        return self.forecaster.predict(panel, horizons)

    def gate_result(self, commodity: str) -> GateResult:
        """The result for the commodity; the default one when it was not evaluated."""
        return self.gate_results.get(commodity, GateResult())
