"""One round of the risk model: backtest, gate, fit, record; a model that fails the gate does not serve."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from conf.settings import settings
from ml import schedule
from ml.data.panel import NothingToLearn, Panel
from ml.data.reporting_periods import evaluation_panel
from ml.evaluation.backtest import Plan, open_holdout, plan
from ml.evaluation.candidates import sample_panel
from ml.evaluation.leakage_checks import check_model
from ml.forecasts import mlflow_store
from ml.forecasts.issue import known_panel
from ml.progress import TrainingProgress
from ml.risk.champion import RiskChampion, remove_champion, save_champion
from ml.risk.evaluation import LONGEST_DAYS, RiskFigures, RiskRequirements, figures, gate_faults, risk_cases
from ml.risk.issue import issue
from ml.risk.model import HORIZON, RiskModel

EXPERIMENT = "risk"
RECORD_FOLDER = "risk"  # openings of the holdout, below schedule.state_folder()


@dataclass(frozen=True)
class RiskEvaluation:
    """Figures of the origins before the holdout, and what the gate has against the model."""

    panel: Panel
    plan: Plan
    figures: RiskFigures
    faults: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether the model may serve."""
        return not self.faults


def run(data: Path | None = None, requirements: RiskRequirements | None = None) -> RiskEvaluation:
    """Run one round on the lake's prices, or on those of `data`.

    Raises NothingToLearn without prices, with too few origins, or without any rise.
    """
    progress = TrainingProgress()
    known = known_panel(datetime.now(UTC), data)
    evaluated = evaluate(known, progress, requirements or RiskRequirements())
    _decide(evaluated, known)
    for line in summary(evaluated):
        progress.print(line)
    if data is None:
        progress.print(f"{issue(known)} risks issued")
    return evaluated


def evaluate(panel: Panel, progress: TrainingProgress, requirements: RiskRequirements) -> RiskEvaluation:
    """The backtest of a panel's main reporting period, before the holdout. Raises NothingToLearn."""
    main = evaluation_panel(panel)
    if main is None:
        raise NothingToLearn("no price of a day that counts as known")
    main = main.since(max(len(main.days) - LONGEST_DAYS, 0))
    planned = plan(main, horizons=(HORIZON,))
    before = planned.part(opened=False)
    if len(before.origins) < requirements.origins:
        count = f"{len(before.origins)} of {requirements.origins} origins after a first year"
        raise NothingToLearn(f"history is too short to evaluate a risk model ({count})")
    with progress.stage("backtest", "risk") as report:
        cases = risk_cases(main, before, factory()(), report)
    try:
        measured = figures(cases, settings().alerts.threshold / 100)
    except ValueError as nothing:
        raise NothingToLearn(str(nothing)) from None
    sample = sample_panel(main)
    checks = check_model(sample, factory(), sample.price.shape[1] - 1 - HORIZON, (HORIZON,))
    return RiskEvaluation(main, planned, measured, gate_faults(measured, checks, requirements))


def factory() -> partial[RiskModel]:
    """Makes the model that is evaluated and served."""
    return partial(RiskModel, settings().training.seed)


def _decide(evaluated: RiskEvaluation, known: Panel) -> None:
    """Record the round as one run. The model serves if it passed; else none does."""
    tags = {"promoted": str(evaluated.passes), "faults": "; ".join(evaluated.faults)}
    parameters = {**known.source, "origins": len(evaluated.plan.origins), "seed": settings().training.seed}
    with mlflow_store.start_run(EXPERIMENT, parameters, tags) as run_id:
        mlflow_store.log_metrics(_numbers(evaluated.figures))
        if not evaluated.passes:
            remove_champion()
            return
        mlflow_store.log_metrics(
            {f"holdout_{key}": value for key, value in _numbers(holdout_figures(evaluated, run_id)).items()}
        )
        model = factory()()
        model.fit(known.only_exogenous(model.exogenous))
        day = known.days[-1].astype(object)
        champion = RiskChampion(model, str(run_id), day, evaluated.figures.budget_level)
        mlflow_store.log_model_file("risk.json", champion.to_bytes())
        save_champion(champion)


def holdout_figures(evaluated: RiskEvaluation, reason: str) -> RiskFigures:
    """Figures of the final holdout; its opening goes on record before anything is computed on it."""
    folder = schedule.state_folder() / RECORD_FOLDER
    holdout = open_holdout(evaluated.panel, ["risk"], evaluated.plan, folder, reason)
    cases = risk_cases(evaluated.panel, holdout, factory()(), lambda done, total, step: None)
    return figures(cases, settings().alerts.threshold / 100)


def _numbers(measured: RiskFigures) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(measured).items() if value is not None}


def summary(evaluated: RiskEvaluation) -> list[str]:
    """Lines with the figures and whether the model serves."""
    measured = evaluated.figures
    lines = [
        f"{measured.cases} cases of {measured.origins} origins, {measured.base_rate:.1%} of them rises of "
        "10 % or more within a week",
        f"average precision {measured.average_precision:.3f} (volatility alone "
        f"{measured.volatility_precision:.3f}), Brier skill {measured.brier_skill:+.3f}, largest reliability "
        f"gap {measured.reliability_gap:.3f}, {100 * measured.budget_level:.0f} % spends the alert budget",
    ]
    if measured.median_lead_days is not None:
        lines.append(
            f"{measured.alerts_a_day:.1f} alerts a day: {measured.hit_rate:.0%} of the rises, "
            f"{measured.median_lead_days:g} days before them in the median; "
            f"{measured.false_alarm_ratio:.0%} of the alerts are false"
        )
    if evaluated.passes:
        return [*lines, "the risk model serves"]
    return [*lines, f"no risk model serves, alerts follow the plain rules: {'; '.join(evaluated.faults)}"]
