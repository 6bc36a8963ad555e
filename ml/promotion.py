"""From a trial to the registry: all on record in one run, models fitted to the newest prices, aliases for who is worthy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from conf.settings import settings
from ml import tracking
from ml.accuracy import write_accuracy, write_importance
from ml.cells import NAIVE, Cells
from ml.figures import by_commodity, errors
from ml.fingerprint import data_fingerprint
from ml.gate import Decision, table
from ml.intervals import Calibration
from ml.margins import Calibrated
from ml.metrics import skill
from ml.naive import Naive
from ml.progress import Progress
from ml.report import plots
from ml.speakers import Judged, Speaker
from ml.trial import ENSEMBLE, Trial, confirmed, ensemble_of


@dataclass(frozen=True)
class Outcome:
    """What a round has changed."""

    run_id: str
    promoted: dict[str, str] = field(default_factory=dict)  # commodity -> model
    demoted: dict[str, str] = field(default_factory=dict)  # commodity -> model that naive has replaced
    kept: dict[str, str] = field(default_factory=dict)  # commodity -> champion that stays

    @property
    def status(self) -> str:
        """As an order ends: rejected when nobody was let through."""
        return "succeeded" if self.promoted else "rejected"

    @property
    def says(self) -> str:
        parts = [("new champions", self.promoted), ("kept", self.kept), ("naive again instead of", self.demoted)]
        told = [f"{title}: {', '.join(f'{good} {model}' for good, model in sorted(of.items()))}" for title, of in parts if of]
        return "; ".join(told) or "no model was worthy: naive is served"


def promote(trial: Trial, names: Sequence[str], why: str, told: Progress, goods: Sequence[str] = ()) -> Outcome:
    """Log the trial as one run and give aliases (for `goods` alone, if any are named). A failure leaves champions as they are."""
    tracking.connect()
    standing = tracking.champions()
    best = {good: one for good, one in trial.judgement.champions.items() if one is not None}
    with tracking.run(f"prices {datetime.now(UTC):%Y-%m-%d %H:%M}", _parameters(trial, names), {"why": why}) as run_id:
        calibrations = dict(trial.judgement.calibrations)
        if best and trial.plan.holdout:
            models = sorted({one.model for one in best.values()})
            cells, newest = confirmed(trial, models, f"{why}, run {run_id}", told)
            calibrations |= newest
            tracking.metrics(_holdout(cells, models))
        speakers = fitted(trial, calibrations, run_id, told)
        _record(trial)
        addresses = {name: tracking.keep(speaker) for name, speaker in speakers.items()}
        outcome = Outcome(run_id)
        for good in goods or trial.judgement.cells.goods:
            _decide(good, best.get(good), standing.get(good), trial, addresses, outcome)
        tracking.tags({"outcome": outcome.says[:5000], "status": outcome.status})
    serving = {good: one.model for good, one in tracking.champions().items()}
    write_accuracy(trial.judgement, serving, run_id)
    write_importance(speakers, run_id)
    return outcome


def _decide(
    good: str,
    best: Decision | None,
    standing: tracking.Champion | None,
    trial: Trial,
    addresses: Mapping[str, str],
    outcome: Outcome,
) -> None:
    """One commodity: who passed is champion; else the old one stays, unless it is now worse than naive beyond doubt."""
    absent = standing is not None and standing.model not in trial.judgement.decisions
    if best is not None and not (absent and (standing.skill or 0) >= best.figures.skill):
        found = best.figures.skill
        tracking.promote(good, best.model, addresses[best.model], outcome.run_id, best.says, found)
        outcome.promoted[good] = best.model
    elif standing is not None:
        again = trial.judgement.decisions.get(standing.model, {}).get(good)
        if again is not None and again.figures.skill_high < 0:
            tracking.demote(good)
            outcome.demoted[good] = standing.model
        else:
            outcome.kept[good] = standing.model


def fitted(trial: Trial, calibrations: Mapping[str, Calibration], run_id: str, told: Progress) -> dict[str, Speaker]:
    """Every model of the trial, fitted on the whole panel, with its errors and what the gate said."""
    models = {NAIVE: Naive()}
    with told.stage("fit", "fitting on all prices") as progress:
        for nth, (name, make) in enumerate(trial.factories.items()):
            progress(nth, len(trial.factories), name)
            models[name] = make()
            models[name].fit(trial.panel)
        progress(len(trial.factories), len(trial.factories), "")
    if trial.members:
        models[ENSEMBLE] = ensemble_of(trial, models)
    series = tuple(zip(trial.panel.commodities, trial.panel.regions, strict=True))
    judged = {name: _judged(trial, name) for name in models}
    return {
        name: Speaker(model, Calibrated(calibrations[name]), judged[name], run_id, series=None if name == NAIVE else series)
        for name, model in models.items()
    }


def _judged(trial: Trial, name: str) -> dict[str, Judged]:
    decisions = trial.judgement.decisions
    if name != NAIVE:
        return {good: Judged(one.figures.skill, one.says) for good, one in decisions[name].items()}
    found = {}
    for good in trial.judgement.cells.goods:
        asked = [by_good[good] for by_good in decisions.values() if good in by_good]
        nearest = max(asked, key=lambda one: one.figures.skill_low, default=None)
        found[good] = Judged(
            0.0, f"naive: no model was worthy; the nearest: {nearest.says}" if nearest else "naive: nobody else was tried"
        )
    return found


def _parameters(trial: Trial, names: Sequence[str]) -> dict[str, object]:
    """All that the figures depend on."""
    panel, origins = trial.panel, trial.judgement.cells.origin
    features = next((model.features for make in trial.factories.values() if hasattr(model := make(), "features")), ())
    return {
        "models": ", ".join(names),
        "seed": settings().training.seed,
        "origins": len(np.unique(origins)),
        "first_origin": panel.days[origins.min()] if len(origins) else None,
        "last_origin": panel.days[origins.max()] if len(origins) else None,
        "holdout_origins": trial.plan.holdout,
        "horizons": list(trial.plan.horizons),
        "series": len(panel.commodities),
        "commodities": ", ".join(panel.goods),
        "first_day": panel.days[0],
        "last_day": panel.days[-1],
        "data": panel.source.get("table") or panel.source.get("folder") or panel.source.get("file"),
        "data_version": panel.source.get("version"),
        "data_fingerprint": data_fingerprint(panel),
        "features_count": len(features),
        "features": ", ".join(map(str, features)),
        "ensemble_members": ", ".join(trial.members),
    }


def _record(trial: Trial) -> None:
    """Figures, the gate's table, what was checked, plots: what a person needs to believe or refuse the decision."""
    judgement = trial.judgement
    tracking.table("gate", table(judgement.decisions.values()))
    tracking.table("checks", [{"model": name, **asdict(one)} for name, one in trial.checks.items()])
    tracking.table("null_check", [{"model": name, **asdict(one)} for name, one in trial.nulls.items()])
    tracking.table("source", [dict(trial.panel.source)])
    if trial.members:
        tracking.table("ensemble_weights", [{"class": one, **dict(shares)} for one, shares in trial.weights.items()])
    for name in judgement.cells.models:
        found = by_commodity(judgement.cells, name, judgement.bands[name])
        for good, figures in found.items():
            tracking.metrics({f"{name}/{good or 'all'}/{key}": value for key, value in asdict(figures).items()})
    with TemporaryDirectory() as folder:
        plots(judgement, Path(folder))
        tracking.files(Path(folder), "plots")


def _holdout(cells: Cells, models: Sequence[str]) -> dict[str, float]:
    """Skill and error on days that no choice has seen."""
    found = {}
    for name in models:
        found[f"holdout/{name}/skill"] = skill(cells.actual, cells.forecasts[name], cells.naive)
        found |= {f"holdout/{name}/{key}": v for key, v in errors(cells.actual, cells.forecasts[name], cells.step).items()}
        for good in cells.goods:
            own = cells.of(good)
            found[f"holdout/{name}/{good}/skill"] = skill(own.actual, own.forecasts[name], own.naive)
    return found
