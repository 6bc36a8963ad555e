"""Every challenger against naive on the same past: backtest, checks, gate; the holdout is opened only for who has passed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from conf.settings import settings
from ml import challengers
from ml.backtest import Factory, Plan, open_holdout, run
from ml.cells import NAIVE, Cells
from ml.challengers import PER_SERIES
from ml.checks import Checks
from ml.ensemble import Ensemble, Weights, learned, walked
from ml.fan_out import Processes, spread_over, spread_over_cluster
from ml.intervals import Bands, Calibration, replay
from ml.judge import Judgement, judge
from ml.models import SLOW
from ml.origins import planned
from ml.panel import Panel
from ml.progress import Progress
from ml.significance import Verdict
from ml.volatility import classes

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Contest:
    """What was tried, and what came out. `members` of the ensemble, empty without one."""

    panel: Panel
    plan: Plan
    factories: Mapping[str, Factory]
    members: tuple[str, ...]
    judgement: Judgement
    checks: Mapping[str, Checks]
    nulls: Mapping[str, Verdict]
    state: Path

    @property
    def weights(self) -> Weights:
        """Of the ensemble, from all cells; what serves next is blended by what is known now."""
        return learned(self.judgement.cells, self.members, classes(self.panel))


def try_all(panel: Panel, names: Sequence[str], quick: bool, state: Path, told: Progress) -> Contest:
    """Backtest, check and judge. `names` may hold `ensemble`: it blends all others that are not slow."""
    seed, how = settings().training.seed, {"workers": settings().training.processes}
    where = planned(panel, quick)
    single = [name for name in names if name != ENSEMBLE]
    made = challengers.factories(single, seed, quick)
    members = tuple(name for name in made if name not in SLOW) if ENSEMBLE in names else ()
    with told.stage("backtest", f"backtest, {len(where.part(opened=False).origins)} origins") as progress:
        if settings().training.spark_master:  # what it answers is kept, and found by the run over all models
            alone = {name: made[name] for name in PER_SERIES & set(made)}
            with over_workers(alone):
                run(panel, alone, where.part(opened=False), state, progress=progress)
        cells = run(panel, made, where.part(opened=False), state, progress=progress, **how)
    if members:
        cells = cells.with_forecasts(**{ENSEMBLE: walked(cells, members, panel)})
    with told.stage("checks", "checks on a part of the panel") as progress:
        progress(0, 2, "")
        checks = challengers.checks(panel, made, where.horizons)
        progress(1, 2, "no model sees the future, each answers twice alike")
        nulls = {} if quick else challengers.nulls(panel, made, where.horizons, state, seed)
        progress(2, 2, "nothing is found on random walks")
    if members:
        checks[ENSEMBLE] = _weakest([checks[name] for name in members])
        found = [nulls[name] for name in members if name in nulls]
        nulls |= {ENSEMBLE: max(found, key=lambda verdict: verdict.t)} if found else {}
    return Contest(panel, where, made, members, judge(panel, cells, checks, nulls), checks, nulls, state)


def _weakest(checks: Sequence[Checks]) -> Checks:
    """A blend sees what its members see and answers alike when they do."""
    told = {name: all(getattr(one, name) for one in checks) for name in ("truncation", "rerun", "unchanged", "leakage")}
    return Checks(**told, seconds=sum(one.seconds for one in checks))


def confirmed(
    contest: Contest, models: Sequence[str], reason: str, told: Progress
) -> tuple[Cells, dict[str, Bands], dict[str, Calibration]]:
    """(cells of the holdout, their bands, calibrations up to its end) of models that the gate has let through, and of naive.

    Nothing is decided by it: it says what the choice is worth, and gives the intervals the newest errors to learn from.
    """
    wanted = set(models) - {ENSEMBLE} | (set(contest.members) if ENSEMBLE in models else set())
    made = {name: contest.factories[name] for name in contest.factories if name in wanted}
    with told.stage("checks", "final holdout") as progress:
        how = {"workers": settings().training.processes, "progress": progress}
        later = open_holdout(contest.panel, made, contest.plan, contest.state, reason, **how)
    both = joined(contest.judgement.cells, later, [NAIVE, *made])
    if ENSEMBLE in models:
        both = both.with_forecasts(**{ENSEMBLE: walked(both, contest.members, contest.panel)})
    replayed = {name: replay(both, name) for name in both.models if name in {NAIVE, *models}}
    opened = np.isin(both.origin, np.unique(later.origin))
    bands = {name: found[0].where(opened) for name, found in replayed.items()}
    return both.where(opened), bands, {name: found[1] for name, found in replayed.items()}


def joined(first: Cells, then: Cells, models: Sequence[str]) -> Cells:
    """Cells of two runs on one panel, the earlier origins first."""
    arrays = [one.name for one in fields(Cells)[:6]]
    columns = {name: np.concatenate([getattr(first, name), getattr(then, name)]) for name in arrays}
    forecasts = {name: np.concatenate([first.forecasts[name], then.forecasts[name]]) for name in models}
    return replace(first, **columns, forecasts=forecasts, replaced={})


@contextmanager
def over_workers(names: Iterable[str]) -> Iterator[None]:
    """What is fitted a series at a time is spread over the cluster training.spark_master, else over training.processes."""
    knobs = settings().training
    if not PER_SERIES & set(names) or (knobs.processes == 1 and not knobs.spark_master):
        yield  # a pool for nothing would cost seconds
    elif knobs.spark_master:
        with spread_over_cluster(knobs.spark_master):
            yield
    else:
        with Processes(knobs.processes) as pool, spread_over(pool):
            yield


def ensemble_of(contest: Contest, fitted: Mapping[str, object]) -> Ensemble:
    """The ensemble over members that are fitted already."""
    blend = Ensemble({name: Fitted(fitted[name]) for name in contest.members}, contest.weights)
    blend.fit(contest.panel)
    return blend


@dataclass(frozen=True)
class Fitted:
    """A model that is not fitted again."""

    inner: object

    @property
    def name(self) -> str:
        return str(self.inner.name)  # type: ignore[attr-defined]

    def fit(self, panel: Panel) -> None:
        """It is."""

    def forecast(self, panel: Panel, horizons: Sequence[int]) -> object:
        return self.inner.forecast(panel, horizons)  # type: ignore[attr-defined]
