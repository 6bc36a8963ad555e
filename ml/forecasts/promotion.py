"""From a comparison to the registry: one recorded run, fitted models, and the aliases of champions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from conf.settings import settings
from lakehouse.io.training_jobs import Status
from ml.evaluation.backtest import openings, variants
from ml.evaluation.conformal import Calibration
from ml.evaluation.evaluate import (
    ENSEMBLE,
    Comparison,
    evaluate_holdout,
    fitted_ensemble,
    parallel_for,
    shrunk_models,
)
from ml.evaluation.fingerprint import data_fingerprint
from ml.evaluation.gate import Decision, GateRequirements, decision_rows
from ml.evaluation.metrics import skill
from ml.evaluation.plots import save_plots
from ml.evaluation.predictions import NAIVE, Predictions
from ml.evaluation.scores import point_errors, scores_by_commodity
from ml.forecasts import mlflow_store
from ml.forecasts.accuracy_table import write_accuracy, write_importance
from ml.forecasts.fitted_model import Champion, FittedModel, gate_results
from ml.forecasts.interval_widths import CalibratedMargins
from ml.models.forecaster import Forecaster
from ml.models.naive import Naive
from ml.progress import TrainingProgress


@dataclass(frozen=True)
class PromotionOutcome:
    """The champions after a round."""

    run_id: str
    promoted: dict[str, str] = field(default_factory=dict)  # commodity -> model
    demoted: dict[str, str] = field(default_factory=dict)  # commodity -> model that naive has replaced
    kept: dict[str, str] = field(default_factory=dict)  # commodity -> champion that stays

    @property
    def status(self) -> Status:
        """Status of the training job: rejected when no model passed the gate."""
        return "succeeded" if self.promoted else "rejected"

    @property
    def summary(self) -> str:
        """One line for people."""
        parts = [
            ("new champions", self.promoted),
            ("unchanged", self.kept),
            ("replaced by naive", self.demoted),
        ]
        lists = [
            f"{title}: {', '.join(f'{commodity} {model}' for commodity, model in sorted(models.items()))}"
            for title, models in parts
            if models
        ]
        return "; ".join(lists) or "no model beats the naive forecast significantly: naive is served"


def promote(
    comparison: Comparison,
    names: Sequence[str],
    why: str,
    progress: TrainingProgress,
    commodities: Sequence[str] = (),
    quick: bool = False,
) -> PromotionOutcome:
    """Record the comparison as one run, fit its models and set aliases: of `commodities` if any, else of all.

    The fits of a quick round, or of one that is limited to some commodities, do not replace those of a whole
    round. A failure leaves the champions as they are.
    """
    mlflow_store.connect()
    before = mlflow_store.champions()
    assessment = comparison.assessment
    passed = assessment.passed
    parameters = _parameters(comparison, names)
    with mlflow_store.start_run(mlflow_store.EXPERIMENT, parameters, {"why": why}) as run_id:
        calibrations = dict(assessment.calibrations)
        if passed and comparison.plan.holdout:
            candidates = sorted({decision.model for decision in passed.values()})
            reason = f"{why}, run {run_id}"
            predictions, _, newest = evaluate_holdout(comparison, candidates, reason, progress)
            calibrations |= newest
            mlflow_store.log_metrics(_holdout_metrics(predictions, candidates))
        models = fit_models(comparison, calibrations, run_id, progress)
        _record(comparison)
        if commodities:  # the new fits serve what was tried; the naive fit of before serves the rest
            tried = frozenset(comparison.panel.distinct_commodities)
            models = {
                name: replace(model, commodities=tried) for name, model in models.items() if name != NAIVE
            }
        saved = {name: mlflow_store.save_model(model) for name, model in models.items()}
        uris = {name: uri for name, (uri, _) in saved.items()}
        versions = {name: version for name, (_, version) in saved.items()}
        outcome = PromotionOutcome(run_id)
        try:
            for commodity in commodities or assessment.predictions.distinct_commodities:
                _decide(commodity, passed.get(commodity), before.get(commodity), comparison, uris, outcome)
            serving = {commodity: champion.model for commodity, champion in mlflow_store.champions().items()}
            write_importance(models, run_id)
            write_accuracy(assessment, serving, run_id)
            mlflow_store.set_newest(versions, replaces=not (commodities or quick))
        except BaseException:
            for commodity in mlflow_store.champions().keys() | before.keys():
                mlflow_store.restore(commodity, before.get(commodity))
            raise
        mlflow_store.set_tags({"outcome": outcome.summary[:5000], "status": outcome.status})
    return outcome


def _decide(
    commodity: str,
    passed: Decision | None,
    champion: Champion | None,
    comparison: Comparison,
    uris: Mapping[str, str],
    outcome: PromotionOutcome,
) -> None:
    """Set the champion of one commodity.

    A model that passed replaces the champion, unless the champion was not in this comparison and had no less
    skill. Else the champion stays, unless it is now significantly worse than naive.
    """
    decisions = comparison.assessment.decisions
    if passed is not None:
        skill_of_passed = passed.scores.skill
        unchallenged = champion is not None and champion.model not in decisions
        if not (unchallenged and champion is not None and (champion.skill or 0) >= skill_of_passed):
            uri = uris[passed.model]
            mlflow_store.promote(
                commodity, passed.model, uri, outcome.run_id, passed.summary, skill_of_passed
            )
            outcome.promoted[commodity] = passed.model
            return
    if champion is None:
        return
    decision = decisions.get(champion.model, {}).get(commodity)
    if decision is not None and _significantly_worse(decision):
        mlflow_store.demote(commodity)
        outcome.demoted[commodity] = champion.model
    else:
        outcome.kept[commodity] = champion.model


def _significantly_worse(decision: Decision) -> bool:
    """Than naive, on enough origins."""
    enough = decision.scores.origins >= GateRequirements().origins
    return enough and decision.scores.skill_high < 0


def fit_models(
    comparison: Comparison,
    calibrations: Mapping[str, Calibration],
    run_id: str,
    progress: TrainingProgress,
) -> dict[str, FittedModel]:
    """Every model of the comparison, fitted on the whole panel, with its intervals and gate results."""
    models: dict[str, Forecaster] = {NAIVE: Naive()}
    count = len(comparison.factories)
    with progress.stage("fit", "fitting on all prices") as report, parallel_for(comparison.factories):
        for number, (name, make) in enumerate(comparison.factories.items()):
            report(number, count, name)
            models[name] = make()
            models[name].fit(comparison.panel)
        report(count, count, "")
    if comparison.members:
        models[ENSEMBLE] = fitted_ensemble(comparison, models)
    models = shrunk_models(comparison, models)
    return {
        name: FittedModel(
            model, CalibratedMargins(calibrations[name]), gate_results(comparison.assessment, name), run_id
        )
        for name, model in models.items()
    }


def _parameters(comparison: Comparison, names: Sequence[str]) -> dict[str, object]:
    """All that the figures depend on."""
    panel = comparison.panel
    source = panel.source
    origins = comparison.assessment.predictions.origin
    models = (make() for make in comparison.factories.values())
    features = next((model.features for model in models if hasattr(model, "features")), ())
    tried = sorted(variants(comparison.state).items())
    return {
        "models": ", ".join(names),
        "seed": settings().training.seed,
        "origins": len(np.unique(origins)),
        "first_origin": panel.days[origins.min()] if len(origins) else None,
        "last_origin": panel.days[origins.max()] if len(origins) else None,
        "holdout_origins": comparison.plan.holdout,
        "horizons": list(comparison.plan.horizons),
        "series": len(panel.commodities),
        "commodities": ", ".join(panel.distinct_commodities),
        "first_day": panel.days[0],
        "last_day": panel.days[-1],
        "data": source.get("table") or source.get("folder") or source.get("file"),
        "data_version": source.get("version"),
        "data_fingerprint": data_fingerprint(panel),
        "features_count": len(features),
        "features": ", ".join(map(str, features)),
        "ensemble_members": ", ".join(comparison.members),
        "variants_tried": ", ".join(f"{name} {count}" for name, count in tried),
        "holdout_openings": len(openings(comparison.state)),
    }


def _record(comparison: Comparison) -> None:
    """Log scores, gate decisions, checks and plots: what a person needs to verify the decisions."""
    assessment = comparison.assessment
    checks = [{"model": name, **asdict(check)} for name, check in comparison.checks.items()]
    null_checks = [{"model": name, **asdict(test)} for name, test in comparison.random_walk_tests.items()]
    mlflow_store.log_table("gate", decision_rows(assessment.decisions.values()))
    mlflow_store.log_table("checks", checks)
    mlflow_store.log_table("null_check", null_checks)
    mlflow_store.log_table("source", [dict(comparison.panel.source)])
    if comparison.members:
        weights = [{"class": name, **dict(shares)} for name, shares in comparison.weights.items()]
        mlflow_store.log_table("ensemble_weights", weights)
    for model in assessment.predictions.models:
        by_commodity = scores_by_commodity(assessment.predictions, model, assessment.intervals[model])
        for commodity, scores in by_commodity.items():
            prefix = f"{model}/{commodity or 'all'}"
            mlflow_store.log_metrics({f"{prefix}/{key}": value for key, value in asdict(scores).items()})
    with TemporaryDirectory() as folder:
        save_plots(assessment, Path(folder))
        mlflow_store.log_files(Path(folder), "plots")


def _holdout_metrics(predictions: Predictions, models: Sequence[str]) -> dict[str, float]:
    """Skill and errors on the holdout, by which nothing was chosen."""
    metrics: dict[str, float] = {}
    for name in models:
        forecast = predictions.forecasts[name]
        metrics[f"holdout/{name}/skill"] = skill(predictions.actual, forecast, predictions.naive)
        for key, value in point_errors(predictions.actual, forecast, predictions.step).items():
            metrics[f"holdout/{name}/{key}"] = value
        for commodity in predictions.distinct_commodities:
            part = predictions.of_commodity(commodity)
            metrics[f"holdout/{name}/{commodity}/skill"] = skill(
                part.actual, part.forecasts[name], part.naive
            )
    return metrics
