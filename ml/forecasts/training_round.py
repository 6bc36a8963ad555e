"""One round of price models: read, backtest, decide, register champions, issue forecasts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from conf.settings import settings
from ml import schedule
from ml.data.panel import NothingToLearn, Panel
from ml.data.reporting_periods import evaluation_panel
from ml.evaluation.backtest import LEAST_ORIGINS, plan_round
from ml.forecasts import issue
from ml.models.registry import ON_DEMAND, default_models
from ml.progress import TrainingProgress, end_job

BACKTEST_FOLDER = "backtest"  # forecasts of models from past origins, below schedule.state_folder()


@dataclass(frozen=True)
class Request:
    """What a round is requested to do; empty tuples: all."""

    models: tuple[str, ...] = ()
    commodities: tuple[str, ...] = ()
    quick: bool = False
    issue_only: bool = False
    if_changed: bool = False
    job: str | None = None
    data: Path | None = None  # files to learn from instead of the lake

    @property
    def is_whole(self) -> bool:
        """Whether it counts as the training that new prices of the lake require.

        A quick or limited round does not."""
        return not (self.models or self.commodities or self.quick or self.data)


def run(request: Request) -> bool:
    """Run one round; returns whether it trained.

    Raises NothingToLearn without prices, and ValueError for an unknown model or a commodity without prices.
    """
    progress = TrainingProgress(request.job)
    now = datetime.now(UTC)
    # Read first: prices that arrive during the round then count as new. Files change nothing in the lake.
    prices = None if request.data else schedule.price_state(now)
    panel = issue.known_panel(now, request.data)
    why = schedule.training_due(prices) if prices and request.if_changed else "requested"
    if request.issue_only or why is None:
        progress.print("training is not due" if why is None else "forecasts are issued without training")
        if request.issue_only or (prices and schedule.issue_due(prices, now)):
            issue.issue(panel, prices, progress)
        return False
    evaluated = panel_to_evaluate(panel, request)
    origins = len(plan_round(evaluated, request.quick).part(opened=False).origins)
    if origins < LEAST_ORIGINS:
        reason = (
            "naive is served: history is too short to evaluate a model "
            f"({origins} of {LEAST_ORIGINS} origins after a first year)"
        )
        progress.print(reason)
        issue.issue(panel, prices, progress, reason)
        _end(request, prices, None, False, reason)
        return True
    _train(request, panel, evaluated, prices, why, progress)
    return True


def _train(
    request: Request,
    panel: Panel,
    evaluated: Panel,
    prices: schedule.PriceState | None,
    why: str,
    progress: TrainingProgress,
) -> None:
    """Compare the models, set champions, and issue forecasts."""
    from ml.evaluation.evaluate import compare_models
    from ml.forecasts.promotion import promote

    names = models_of(request)
    commodities = tuple(name for name in request.commodities if name in panel.distinct_commodities)
    missing = set(request.commodities) - set(commodities)
    if missing:
        progress.print(f"there is no price of {', '.join(sorted(missing))}")
    state = schedule.state_folder() / BACKTEST_FOLDER
    comparison = compare_models(evaluated, names, request.quick, state, progress)
    outcome = promote(comparison, names, why, progress, commodities, request.quick)
    promoted = bool(outcome.promoted)
    progress.print(outcome.summary)
    try:
        issue.issue(panel, prices, progress)
    except Exception:
        detail = f"{outcome.summary}; forecasts could not be issued, see the trainer's log"
        _end(request, prices, outcome.run_id, promoted, detail)
        raise
    _end(request, prices, outcome.run_id, promoted, outcome.summary)


def models_of(request: Request) -> tuple[str, ...]:
    """The requested models, else those of the knob, else the default ones.

    An ensemble that is requested alone, or with on-demand models only, blends the models that a round has by
    default.
    """
    knobs = settings().training
    listed = knobs.quick_models if request.quick else knobs.models
    usual = tuple(listed) or (*default_models(request.quick), "ensemble")
    if "ensemble" in request.models and not set(request.models) - {"ensemble"} - ON_DEMAND:
        return tuple(dict.fromkeys((*usual, *request.models)))
    return request.models or usual


def panel_to_evaluate(panel: Panel, request: Request) -> Panel:
    """The panel of the backtest: the main reporting period.

    When only on-demand models of some commodities are requested, it holds those commodities alone; in a quick
    round only those whose history is long enough for the gate, if there are any.
    """
    if request.commodities and not set(request.commodities) & set(panel.distinct_commodities):
        raise ValueError(f"no price of {', '.join(sorted(request.commodities))}")
    evaluated = evaluation_panel(panel)
    if evaluated is None:
        raise NothingToLearn("no price of a day that counts as known")
    if request.quick:
        return with_long_history(evaluated)
    if not (request.commodities and request.models and set(request.models) <= ON_DEMAND):
        return evaluated
    rows = np.flatnonzero(np.isin(np.array(evaluated.commodities), request.commodities))
    if not len(rows):
        names = ", ".join(request.commodities)
        raise ValueError(f"no price of {names} until {evaluated.days[-1]}, where models are evaluated")
    return evaluated.select(rows)


def with_long_history(panel: Panel) -> Panel:
    """The commodities that have prices at the first origin of a quick round; all when none has."""
    origins = plan_round(panel, quick=True).origins
    known = np.isfinite(panel.price[:, : origins[0] + 1]).any(axis=1) if origins else np.array([])
    rows = np.flatnonzero(known)
    return panel.select(rows) if len(rows) else panel


def _end(
    request: Request,
    prices: schedule.PriceState | None,
    run_id: str | None,
    promoted: bool,
    detail: str,
) -> None:
    """Note the round, and finish its training job."""
    if request.is_whole and prices is not None:
        schedule.write_note(
            "price",
            config=schedule.knobs_fingerprint(),
            days=prices.days,
            last_day=str(prices.last_day),
            run_id=run_id,
            status="succeeded" if promoted else "rejected",
        )
        schedule.reset_drift()
    end_job(request.job, promoted, run_id, detail)
