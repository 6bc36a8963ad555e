"""Every challenger against naive on the same past: backtest, checks, gate.

The holdout is opened only for models that pass.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from conf.settings import settings
from ml.data.panel import Panel
from ml.evaluation import candidates
from ml.evaluation.backtest import Plan, open_holdout, plan_round, run
from ml.evaluation.block_cache import Factory
from ml.evaluation.conformal import Calibration, Intervals, calibrate
from ml.evaluation.ensemble import Ensemble, Factors, Shrunk, Weights, fit_weights, shrink, walk_forward
from ml.evaluation.gate import Assessment, assess
from ml.evaluation.leakage_checks import CHECKS, ModelChecks
from ml.evaluation.predictions import NAIVE, Predictions
from ml.evaluation.significance import SkillTest
from ml.models.forecaster import Forecaster
from ml.models.parallel import ProcessBackend, cluster_backend, parallel_backend
from ml.models.registry import ON_DEMAND, PER_SERIES, SHRUNK
from ml.models.volatility import volatility_classes
from ml.progress import TrainingProgress
from ml.schedule import note_dead_worker

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Comparison:
    """The models that were compared, and the results.

    `members` of the ensemble; empty without one. `unshrunk`: the predictions as the models made them;
    `factors`: by model, what shrinks its next forecast.
    """

    panel: Panel
    plan: Plan
    factories: Mapping[str, Factory]
    members: tuple[str, ...]
    unshrunk: Predictions
    factors: Mapping[str, Factors]
    assessment: Assessment
    checks: Mapping[str, ModelChecks]
    random_walk_tests: Mapping[str, SkillTest]
    state: Path

    @property
    def weights(self) -> Weights:
        """Weights of the ensemble from all predictions, for the next forecast."""
        return fit_weights(self.unshrunk, self.members, volatility_classes(self.panel))


def compare_models(
    panel: Panel, names: Sequence[str], quick: bool, state: Path, progress: TrainingProgress
) -> Comparison:
    """Backtest, check and assess models.

    `names` may hold `ensemble`: it blends all others that are not on demand.
    """
    knobs = settings().training
    plan = plan_round(panel, quick)
    before_holdout = plan.part(opened=False)
    factories = candidates.factories([name for name in names if name != ENSEMBLE], knobs.seed, quick)
    members = tuple(name for name in factories if name not in ON_DEMAND) if ENSEMBLE in names else ()
    with progress.stage("backtest", f"backtest, {len(before_holdout.origins)} origins") as report:
        if knobs.spark_master:  # these forecasts are kept, and found by the run over all models
            per_series = {name: factories[name] for name in PER_SERIES & set(factories)}
            with parallel_for(per_series):
                run(panel, per_series, before_holdout, state, progress=report)
        predictions = run(panel, factories, before_holdout, state, knobs.processes, report, note_dead_worker)
    unshrunk = predictions
    predictions, factors = shrunk_and_blended(unshrunk, members, panel)
    with progress.stage("checks", "checks on a part of the panel") as report:
        report(0, 2, "")
        checks = candidates.check_candidates(panel, factories, plan.horizons)
        report(1, 2, "leakage and reruns")
        tests: dict[str, SkillTest] = {}
        if not quick:
            tests = candidates.random_walk_tests(panel, factories, plan.horizons, state, knobs.seed)
        report(2, 2, "random walks")
    if members:
        checks[ENSEMBLE] = _weakest([checks[name] for name in members])
        of_members = [tests[name] for name in members if name in tests]
        if of_members:
            tests[ENSEMBLE] = max(of_members, key=lambda test: test.t)
    assessment = assess(panel, predictions, checks, tests)
    return Comparison(panel, plan, factories, members, unshrunk, factors, assessment, checks, tests, state)


def shrunk_and_blended(
    predictions: Predictions, members: Sequence[str], panel: Panel
) -> tuple[Predictions, dict[str, Factors]]:
    """(predictions with shrunk forecasts and, where there are members, an ensemble of them; the factors).

    Models are shrunk that the registry names, and the ensemble. It blends unshrunk forecasts: shrunk twice it
    would lose.
    """
    unshrunk = {name: predictions.forecasts[name] for name in predictions.models if name in SHRUNK}
    if members:
        unshrunk[ENSEMBLE] = walk_forward(predictions, members, panel)
    results = {name: shrink(predictions, forecast) for name, forecast in unshrunk.items()}
    shrunk = predictions.with_forecasts(**{name: forecast for name, (forecast, _) in results.items()})
    shrunk = replace(shrunk, replaced={**shrunk.replaced, **predictions.replaced})
    return shrunk, {name: factors for name, (_, factors) in results.items()}


def _weakest(checks: Sequence[ModelChecks]) -> ModelChecks:
    """The checks of a blend: it passes what all its members pass."""
    passed = {name: all(getattr(check, name) for check in checks) for name in CHECKS}
    return ModelChecks(**passed, seconds=sum(check.seconds for check in checks))


def evaluate_holdout(
    comparison: Comparison, models: Sequence[str], reason: str, progress: TrainingProgress
) -> tuple[Predictions, dict[str, Intervals], dict[str, Calibration]]:
    """(predictions of the holdout, their intervals, calibrations up to its end) of naive and of `models`.

    `models` have passed the gate. Nothing is decided here. It measures what the choice is worth, and gives
    the intervals the newest errors. `reason` goes on record.
    """
    panel, state = comparison.panel, comparison.state
    needed = set(models) - {ENSEMBLE} | (set(comparison.members) if ENSEMBLE in models else set())
    factories = {name: factory for name, factory in comparison.factories.items() if name in needed}
    with progress.stage("checks", "final holdout") as report:
        holdout = open_holdout(panel, list(factories), comparison.plan, state, reason)
        later = run(panel, factories, holdout, state, settings().training.processes, report, note_dead_worker)
    both = comparison.unshrunk.concatenate(later, (NAIVE, *factories))
    members = comparison.members if ENSEMBLE in models else ()
    both, _ = shrunk_and_blended(replace(both, replaced={}), members, panel)
    calibrated = {name: calibrate(both, name) for name in both.models if name in {NAIVE, *models}}
    opened = np.isin(both.origin, np.unique(later.origin))
    intervals = {name: of_model.select(opened) for name, (of_model, _) in calibrated.items()}
    calibrations = {name: calibration for name, (_, calibration) in calibrated.items()}
    return both.select(opened), intervals, calibrations


@contextmanager
def parallel_for(names: Iterable[str]) -> Iterator[None]:
    """Within the block, fits per series run on a cluster or in several processes, as the knobs say."""
    knobs = settings().training
    if not PER_SERIES & set(names) or (knobs.processes == 1 and not knobs.spark_master):
        yield  # a pool that nobody uses would cost seconds
    elif knobs.spark_master:
        with cluster_backend(knobs.spark_master):
            yield
    else:
        with ProcessBackend(knobs.processes, note_dead_worker) as pool, parallel_backend(pool):
            yield


def fitted_ensemble(comparison: Comparison, models: Mapping[str, Forecaster]) -> Ensemble:
    """The ensemble over members that are fitted already, not yet shrunk."""
    members = {name: models[name] for name in comparison.members}
    return Ensemble(members, comparison.weights, class_of=volatility_classes(comparison.panel))


def shrunk_models(comparison: Comparison, models: Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    """The fitted models, those with factors shrunk by them."""
    factors = comparison.factors
    return {
        name: Shrunk(model, factors[name]) if name in factors else model for name, model in models.items()
    }
