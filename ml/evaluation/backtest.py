"""Rolling-origin backtest: every model forecasts from the same origins and sees nothing later."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from conf.settings import settings
from lakehouse.times import utc_text
from ml.data.panel import Floats, Panel
from ml.evaluation.block_cache import Factory, Task, compute_blocks, load_block, read_by, remove_unused
from ml.evaluation.fingerprint import data_fingerprint, model_fingerprint, short
from ml.evaluation.metrics import usual_step
from ml.evaluation.predictions import NAIVE, Predictions
from ml.models.forecaster import HORIZONS, REFIT_ORIGINS, scale

Report = Callable[[int, int, str], None]  # steps done, steps in all, name of the newest step
# Origins are eight days apart: Monday to Friday take turns, and targets up to a week ahead never overlap.
TURN_DAYS = 42
TURN = (0, 8, 16, 24, 32)  # days from a Monday on
FIRST_DAYS = 365  # history before the first origin
SATURDAY = 5
HOLDOUT_LOG = "holdout.jsonl"
VARIANTS_LOG = "variants.jsonl"
LEAST_ORIGINS = 12  # with fewer no model is evaluated
QUICK_ORIGINS = 52  # as many as the gate requires
QUICK_REFIT_ORIGINS = 26  # origins that share one fit of a quick round
HOLDOUT = 13


@dataclass(frozen=True)
class Plan:
    """The origins of a backtest.

    The last `holdout` of them are opened once, at the end, and that goes on record.
    """

    origins: tuple[int, ...]  # columns of the panel
    positions: tuple[int, ...]  # of each on the grid of all origins, which does not move with the panel
    holdout: int
    horizons: tuple[int, ...] = HORIZONS
    refit_origins: int = REFIT_ORIGINS  # a model may share a fit among more

    def part(self, opened: bool) -> "Plan":
        """Only the origins before the holdout, or only those of the holdout."""
        first = len(self.origins) - self.holdout
        kept = slice(first, None) if opened else slice(first)
        return replace(
            self,
            origins=self.origins[kept],
            positions=self.positions[kept],
            holdout=self.holdout if opened else 0,
        )

    def blocks(self, least_origins: int = REFIT_ORIGINS) -> tuple[tuple[int, ...], ...]:
        """Origins in groups that share one fit; `least_origins`: of a model that is fitted less often."""
        refit_origins = max(least_origins, self.refit_origins)
        blocks: dict[int, list[int]] = {}
        for origin, position in zip(self.origins, self.positions, strict=True):
            blocks.setdefault(position // refit_origins, []).append(origin)
        return tuple(map(tuple, blocks.values()))


def plan(
    panel: Panel,
    origins: int = 78,
    holdout: int = 13,
    first_days: int = FIRST_DAYS,
    horizons: tuple[int, ...] = HORIZONS,
) -> Plan:
    """The newest `origins` origins whose horizons have passed; fewer when history is short.

    The holdout of a short history is a sixth of the origins, if `holdout` is more than a fifth of them.
    Origins lie on a grid fixed to the calendar, and so do blocks: a day more of data adds origins and moves
    none, so that stored forecasts stay valid.
    """
    number = panel.days.astype(np.int64) + 3  # 1970-01-01 was a Thursday: Mondays are multiples of 7
    columns = np.arange(len(number))
    usable = (
        (columns >= first_days - 1)
        & (columns + max(horizons) < len(number))
        & np.isin(number % TURN_DAYS, TURN)
    )
    chosen = columns[usable][-origins:]
    turn, day = np.divmod(number[chosen], TURN_DAYS)
    positions = turn * len(TURN) + np.searchsorted(TURN, day)
    size = holdout if len(chosen) >= min(origins, 5 * holdout) else len(chosen) // 6
    return Plan(tuple(chosen.tolist()), tuple(positions.tolist()), size, horizons)


def run(
    panel: Panel,
    models: Mapping[str, Factory],
    plan: Plan,
    state: Path,
    workers: int = 1,
    progress: Report = lambda done, total, step: None,
    report_death: Callable[[], None] = lambda: None,
) -> Predictions:
    """Backtest the models on the plan's origins.

    Forecasts of each block of origins are stored in the folder `state`; a stored block is read, so that an
    interrupted run resumes. `models`: factories without arguments (`partial(make, seed=1)`) of picklable
    models. With `workers` > 1 blocks run in processes of their own, and the factories must be picklable too;
    `report_death` is called when one of these dies.
    """
    state.mkdir(parents=True, exist_ok=True)
    # naive is not a model to fit: its forecasts are the baseline and made below
    fingerprints = {name: model_fingerprint(factory) for name, factory in models.items() if name != NAIVE}
    record_variants(state, fingerprints)
    tasks = list(_tasks(panel, models, fingerprints, plan))
    missing = [task for task in tasks if not task.path(state).exists()]
    stored = len(tasks) - len(missing)
    progress(stored, len(tasks), "stored before")
    for done, task in enumerate(compute_blocks(panel, missing, state, workers, report_death), stored + 1):
        progress(done, len(tasks), f"{task.model} {panel.days[task.block[0]]}")
    remove_unused(state, {task.path(state) for task in tasks})
    return _predictions(panel, plan, tasks, state)


def _tasks(
    panel: Panel, models: Mapping[str, Factory], fingerprints: Mapping[str, str], plan: Plan
) -> Iterator[Task]:
    """Blocks from the oldest on, models in turn. Days after a block's last origin are no part of its key."""
    blocks = [
        (block, name)
        for name in fingerprints
        for block in plan.blocks(getattr(models[name](), "refit_origins", REFIT_ORIGINS))
    ]
    for block, name in sorted(blocks, key=lambda entry: entry[0][0]):
        read = read_by(models[name](), panel)
        parts = {
            "data": data_fingerprint(read.until(block[-1])),
            "origins": [str(panel.days[origin]) for origin in block],
            "horizons": plan.horizons,
            "model": fingerprints[name],
        }
        yield Task(name, models[name], block, plan.horizons, short(parts))


def open_holdout(panel: Panel, models: Sequence[str], plan: Plan, state: Path, reason: str) -> Plan:
    """The plan of the final holdout; its opening goes on record before anything is computed."""
    holdout = plan.part(opened=True)
    state.mkdir(parents=True, exist_ok=True)
    days = [str(panel.days[origin]) for origin in holdout.origins]
    opening = {"reason": reason, "models": models, "origins": days, "source": panel.source}
    _append(state / HOLDOUT_LOG, opening)
    return holdout


def _predictions(panel: Panel, plan: Plan, tasks: Sequence[Task], state: Path) -> Predictions:
    """The stored forecasts of the targets that count.

    Observed, Monday to Friday, after the series' first price.
    """
    stored: dict[str, dict[int, Floats]] = {task.model: {} for task in tasks}
    for task in tasks:
        stored[task.model].update(zip(task.block, load_block(task, state), strict=True))
    origins = np.array(plan.origins, dtype=np.int64)
    horizons = np.array(plan.horizons)
    known = [_known_at(panel.until(origin)) for origin in plan.origins]
    last, scales, steps = np.array(known).reshape(len(origins), 3, len(panel.series)).transpose(1, 0, 2)
    target = origins[:, None] + horizons
    actual = panel.price.T[target]  # (origins, horizons, series)
    is_weekday = (panel.days[target].astype(np.int64) + 3) % 7 < SATURDAY
    counts = np.isfinite(actual) & np.isfinite(last)[:, None] & is_weekday[:, :, None]
    nth, ahead, series = np.nonzero(counts)
    predictions = Predictions(
        series=series,
        origin=origins[nth],
        horizon=horizons[ahead],
        actual=actual[counts],
        scale=scales[nth, series],
        step=steps[nth, series],
        forecasts={NAIVE: last[nth, series]},
        commodities=panel.commodities,
        regions=panel.regions,
        days=panel.days,
    )
    by_model = {
        model: np.array([by_origin[origin] for origin in plan.origins])[nth, series, ahead]
        for model, by_origin in stored.items()
    }
    return predictions.with_forecasts(**by_model)


def _known_at(panel: Panel) -> tuple[Floats, Floats, Floats]:
    """(series,) last price, scale and usual step of the panel."""
    return panel.filled[:, -1], scale(panel), usual_step(panel.price)


def openings(state: Path) -> list[dict[str, object]]:
    """All openings so far, oldest first."""
    return _lines(state / HOLDOUT_LOG)


def record_variants(state: Path, fingerprints: Mapping[str, str]) -> None:
    """Put each (model, fingerprint) on record that was not tried before.

    The more variants are tried, the less a good score means.
    """
    known = {(line["model"], line["variant"]) for line in _lines(state / VARIANTS_LOG)}
    for model, variant in fingerprints.items():
        if (model, variant) not in known:
            _append(state / VARIANTS_LOG, {"model": model, "variant": variant})


def variants(state: Path) -> dict[str, int]:
    """Model -> number of variants of it that were tried."""
    return dict(Counter(str(line["model"]) for line in _lines(state / VARIANTS_LOG)))


def _append(file: Path, about: Mapping[str, object]) -> None:
    line = {"at": utc_text(datetime.now(UTC)), **about}
    with file.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, default=str) + "\n")


def _lines(file: Path) -> list[dict[str, object]]:
    return (
        [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    )


def plan_round(panel: Panel, quick: bool) -> Plan:
    """The plan of a round. A quick round has no more origins before the holdout than the gate requires."""
    horizons = tuple(range(1, settings().forecast.horizon_days + 1))
    return (
        replace(
            plan(panel, QUICK_ORIGINS + HOLDOUT, HOLDOUT, horizons=horizons),
            refit_origins=QUICK_REFIT_ORIGINS,
        )
        if quick
        else plan(panel, horizons=horizons)
    )
