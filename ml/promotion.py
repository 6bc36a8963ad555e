"""From a contest to the registry: all on record in one run, models fitted to the newest prices, aliases for who is worthy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from conf.settings import settings
from ml import tracking
from ml.accuracy import write_accuracy, write_importance
from ml.cells import NAIVE, Cells
from ml.contest import ENSEMBLE, Contest, confirmed, ensemble_of, over_workers
from ml.figures import by_commodity, errors
from ml.fingerprint import data_fingerprint
from ml.gate import Bar, Decision, table
from ml.intervals import Calibration
from ml.margins import Calibrated
from ml.metrics import skill
from ml.naive import Naive
from ml.plots import plots
from ml.progress import Progress
from ml.speakers import Judged, Speaker
from ml.trials import openings, variants


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


def promote(
    contest: Contest, names: Sequence[str], why: str, told: Progress, goods: Sequence[str] = (), quick: bool = False
) -> Outcome:
    """Log the contest as one run and give aliases, for `goods` alone if any are named. A failure leaves champions as they are.

    Fits of a quick round, or one of some goods, do not take the place of a whole one's.
    """
    tracking.connect()
    standing = tracking.champions()
    best = {good: one for good, one in contest.judgement.champions.items() if one is not None}
    with tracking.run(f"prices {datetime.now(UTC):%Y-%m-%d %H:%M}", _parameters(contest, names), {"why": why}) as run_id:
        calibrations = dict(contest.judgement.calibrations)
        if best and contest.plan.holdout:
            models = sorted({one.model for one in best.values()})
            cells, _, newest = confirmed(contest, models, f"{why}, run {run_id}", told)
            calibrations |= newest
            tracking.metrics(_holdout(cells, models))
        speakers = fitted(contest, calibrations, run_id, told)
        _record(contest)
        if goods:  # it speaks for what was tried, and naive as before for all else
            tried = frozenset(contest.panel.goods)
            speakers = {name: replace(one, goods=tried) for name, one in speakers.items() if name != NAIVE}
        kept = {name: tracking.keep(speaker) for name, speaker in speakers.items()}
        addresses = {name: address for name, (address, _) in kept.items()}
        outcome = Outcome(run_id)
        try:
            for good in goods or contest.judgement.cells.goods:
                _decide(good, best.get(good), standing.get(good), contest, addresses, outcome)
            serving = {good: one.model for good, one in tracking.champions().items()}
            write_importance(speakers, run_id)
            write_accuracy(contest.judgement, serving, run_id)
            tracking.show({name: version for name, (_, version) in kept.items()}, replaces=not (goods or quick))
        except BaseException:
            for good in tracking.champions().keys() | standing.keys():
                tracking.put_back(good, standing.get(good))
            raise
        tracking.tags({"outcome": outcome.says[:5000], "status": outcome.status})
    return outcome


def _decide(
    good: str,
    best: Decision | None,
    standing: tracking.Champion | None,
    contest: Contest,
    addresses: Mapping[str, str],
    outcome: Outcome,
) -> None:
    """One commodity: who passed is champion; else the old one stays, unless it is now worse than naive beyond doubt."""
    absent = standing is not None and standing.model not in contest.judgement.decisions
    if best is not None and not (absent and (standing.skill or 0) >= best.figures.skill):
        found = best.figures.skill
        tracking.promote(good, best.model, addresses[best.model], outcome.run_id, best.says, found)
        outcome.promoted[good] = best.model
    elif standing is not None:
        again = contest.judgement.decisions.get(standing.model, {}).get(good)
        if again is not None and again.figures.origins >= Bar().origins and again.figures.skill_high < 0:
            tracking.demote(good)
            outcome.demoted[good] = standing.model
        else:
            outcome.kept[good] = standing.model


def fitted(contest: Contest, calibrations: Mapping[str, Calibration], run_id: str, told: Progress) -> dict[str, Speaker]:
    """Every model of the contest, fitted on the whole panel, with its errors and what the gate said."""
    models = {NAIVE: Naive()}
    with told.stage("fit", "fitting on all prices") as progress, over_workers(contest.factories):
        for nth, (name, make) in enumerate(contest.factories.items()):
            progress(nth, len(contest.factories), name)
            models[name] = make()
            models[name].fit(contest.panel)
        progress(len(contest.factories), len(contest.factories), "")
    if contest.members:
        models[ENSEMBLE] = ensemble_of(contest, models)
    judged = {name: _judged(contest, name) for name in models}
    return {name: Speaker(model, Calibrated(calibrations[name]), judged[name], run_id) for name, model in models.items()}


def _judged(contest: Contest, name: str) -> dict[str, Judged]:
    decisions = contest.judgement.decisions
    if name != NAIVE:
        return {good: Judged(one.figures.skill, one.says) for good, one in decisions[name].items()}
    return {good: Judged(0.0, contest.judgement.says(good)) for good in contest.judgement.cells.goods}


def _parameters(contest: Contest, names: Sequence[str]) -> dict[str, object]:
    """All that the figures depend on."""
    panel, origins = contest.panel, contest.judgement.cells.origin
    features = next((model.features for make in contest.factories.values() if hasattr(model := make(), "features")), ())
    return {
        "models": ", ".join(names),
        "seed": settings().training.seed,
        "origins": len(np.unique(origins)),
        "first_origin": panel.days[origins.min()] if len(origins) else None,
        "last_origin": panel.days[origins.max()] if len(origins) else None,
        "holdout_origins": contest.plan.holdout,
        "horizons": list(contest.plan.horizons),
        "series": len(panel.commodities),
        "commodities": ", ".join(panel.goods),
        "first_day": panel.days[0],
        "last_day": panel.days[-1],
        "data": panel.source.get("table") or panel.source.get("folder") or panel.source.get("file"),
        "data_version": panel.source.get("version"),
        "data_fingerprint": data_fingerprint(panel),
        "features_count": len(features),
        "features": ", ".join(map(str, features)),
        "ensemble_members": ", ".join(contest.members),
        "variants_tried": ", ".join(f"{name} {count}" for name, count in sorted(variants(contest.state).items())),
        "holdout_openings": len(openings(contest.state)),
    }


def _record(contest: Contest) -> None:
    """Figures, the gate's table, what was checked, plots: what a person needs to believe or refuse the decision."""
    judgement = contest.judgement
    tracking.table("gate", table(judgement.decisions.values()))
    tracking.table("checks", [{"model": name, **asdict(one)} for name, one in contest.checks.items()])
    tracking.table("null_check", [{"model": name, **asdict(one)} for name, one in contest.nulls.items()])
    tracking.table("source", [dict(contest.panel.source)])
    if contest.members:
        tracking.table("ensemble_weights", [{"class": one, **dict(shares)} for one, shares in contest.weights.items()])
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
