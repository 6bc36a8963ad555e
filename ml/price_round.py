"""One round of prices: read, backtest, judge, register who is worthy, forecast; each step told to whoever waits."""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from conf import training_jobs
from conf.settings import settings
from ml import issuing, rounds
from ml.eras import judged_panel, only
from ml.models import SLOW
from ml.origins import LEAST_ORIGINS, planned
from ml.panel import NothingToLearn, Panel
from ml.progress import Progress

STATE = "backtest"  # answers of models on past origins, below rounds.folder()


@dataclass(frozen=True)
class Request:
    """What a round is asked for; empty tuples: all."""

    models: tuple[str, ...] = ()
    commodities: tuple[str, ...] = ()
    quick: bool = False
    issue_only: bool = False
    if_changed: bool = False
    job: str | None = None

    @classmethod
    def of(cls, asked: argparse.Namespace) -> "Request":
        return cls(asked.models, asked.commodities, asked.quick, asked.issue, asked.if_changed, asked.job)

    @property
    def whole(self) -> bool:
        """Whether it answers what new prices ask for; a quick round or one of some models does not."""
        return not (self.models or self.commodities or self.quick)


def run(request: Request) -> bool:
    """Whether it trained. Raises NothingToLearn without prices, ValueError for a model or commodity that is not there."""
    told, now = Progress(request.job), datetime.now(UTC)
    stands = rounds.prices(now)  # first: what arrives meanwhile is then seen as new
    panel = issuing.known_panel(now)
    why = rounds.training_due(stands) if stands and request.if_changed else "asked for"
    if request.issue_only or why is None:
        told.say("nothing asks for training" if why is None else "forecasts alone")
        if request.issue_only or (stands and rounds.issue_due(stands, now)):
            issuing.issue(panel, stands, told)
        return False
    tried = tried_panel(panel, request)
    origins = len(planned(tried, request.quick).part(opened=False).origins)
    if origins < LEAST_ORIGINS:
        reason = (
            f"naive is served: history is too short to judge a model ({origins} of {LEAST_ORIGINS} origins after a first year)"
        )
        told.say(reason)
        issuing.issue(panel, stands, told, reason)
        _end(request, stands, "rejected", None, False, reason)
        return True
    from ml.contest import try_all
    from ml.promotion import promote

    names = wanted(request)
    goods = tuple(good for good in request.commodities if good in panel.goods)
    if left := set(request.commodities) - set(goods):
        told.say(f"there is no price of {', '.join(sorted(left))}")
    outcome = promote(try_all(tried, names, request.quick, rounds.folder() / STATE, told), names, why, told, goods, request.quick)
    told.say(outcome.says)
    try:
        issuing.issue(panel, stands, told)
    except Exception:
        says = f"{outcome.says}; forecasts could not be issued, the trainer's log says why"
        _end(request, stands, outcome.status, outcome.run_id, bool(outcome.promoted), says)
        raise
    _end(request, stands, outcome.status, outcome.run_id, bool(outcome.promoted), outcome.says)
    return True


def wanted(request: Request) -> tuple[str, ...]:
    """The models of a round: those asked for, else those of the knob; an ensemble alone is one of the knob's models."""
    knobs = settings().training
    usual = tuple(knobs.quick_models if request.quick else knobs.models)
    if "ensemble" in request.models and not set(request.models) - {"ensemble"} - SLOW:
        return tuple(dict.fromkeys((*usual, *request.models)))
    return request.models or usual


def tried_panel(panel: Panel, request: Request) -> Panel:
    """What models are judged on: the main era; when only slow models of some commodities are asked for, those alone."""
    if request.commodities and not set(request.commodities) & set(panel.goods):
        raise ValueError(f"no price of {', '.join(sorted(request.commodities))}")
    tried = judged_panel(panel)
    if tried is None:
        raise NothingToLearn("no price of a day that counts as known")
    if request.commodities and set(request.models) and set(request.models) <= SLOW:
        rows = np.flatnonzero(np.isin(np.array(tried.commodities), request.commodities))
        if not len(rows):
            raise ValueError(f"no price of {', '.join(request.commodities)} until {tried.days[-1]}, where models are judged")
        return only(tried, rows)
    return tried


def _end(
    request: Request, stands: rounds.Prices | None, status: training_jobs.Status, run_id: str | None, promoted: bool, says: str
) -> None:
    if request.whole and stands is not None:
        rounds.note(
            "price", config=rounds.config(), days=stands.days, last_day=str(stands.last_day), run_id=run_id, status=status
        )
        rounds.drift_answered()
    if request.job:
        training_jobs.finish(request.job, status, promoted, run_id, says[:1000])
