"""Rolling-origin backtest: every model forecasts from the same origins, seeing nothing later, and is kept block by block."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.blocks import Factory, Task, answered, forget, kept
from ml.cells import NAIVE, Cells
from ml.fingerprint import data_fingerprint, model_fingerprint, short
from ml.forecaster import HORIZONS, REFIT_ORIGINS, scale
from ml.metrics import usual_step
from ml.panel import Floats, Panel
from ml.trials import note_opening, note_variants

Progress = Callable[[int, int, str], None]  # done, total, what was just done
# A week and a day from one origin to the next: Monday to Friday take turns, and targets up to a week ahead never overlap.
TURN_DAYS, TURN = 42, (0, 8, 16, 24, 32)  # days from a Monday on
FIRST_DAYS = 365  # history before the first origin
SATURDAY = 5


@dataclass(frozen=True)
class Plan:
    """From which days forecasts are made. The last `holdout` origins are opened once, at the end, and that goes on record."""

    origins: tuple[int, ...]  # columns of the panel
    places: tuple[int, ...]  # of each on the grid, which does not move with the panel
    holdout: int
    horizons: tuple[int, ...] = HORIZONS

    def part(self, opened: bool) -> "Plan":
        """Only the origins before the holdout, or only those of the holdout."""
        first = len(self.origins) - self.holdout
        kept = slice(first, None) if opened else slice(first)
        return Plan(self.origins[kept], self.places[kept], self.holdout if opened else 0, self.horizons)

    def blocks(self, refit_origins: int = REFIT_ORIGINS) -> tuple[tuple[int, ...], ...]:
        """Origins that share one fit."""
        found: dict[int, list[int]] = {}
        for origin, place in zip(self.origins, self.places, strict=True):
            found.setdefault(place // refit_origins, []).append(origin)
        return tuple(map(tuple, found.values()))


def plan(
    panel: Panel,
    origins: int = 78,
    holdout: int = 13,
    first_days: int = FIRST_DAYS,
    horizons: tuple[int, ...] = HORIZONS,
) -> Plan:
    """The newest `origins` origins whose horizons have passed; fewer when history is short: the holdout is a
    sixth of them then, if it was more than a fifth.

    Origins lie on a grid fixed to the calendar, and so do refit blocks: a day more of data adds origins and moves none, so that
    what was computed yesterday still holds.
    """
    number = panel.days.astype(np.int64) + 3  # 1970-01-01 was a Thursday: Mondays are multiples of 7
    columns = np.arange(len(number))
    usable = (columns >= first_days - 1) & (columns + max(horizons) < len(number)) & np.isin(number % TURN_DAYS, TURN)
    chosen = columns[usable][-origins:]
    turn, day = np.divmod(number[chosen], TURN_DAYS)
    places = turn * len(TURN) + np.searchsorted(TURN, day)
    kept_back = holdout if len(chosen) >= min(origins, 5 * holdout) else len(chosen) // 6
    return Plan(tuple(chosen.tolist()), tuple(places.tolist()), kept_back, horizons)


def run(
    panel: Panel,
    models: Mapping[str, Factory],
    plan: Plan,
    state: Path,
    config: Mapping[str, object] | None = None,
    workers: int = 1,
    progress: Progress = lambda done, total, what: None,
) -> Cells:
    """Backtest the models on the plan's origins. A block that `state` already holds is read, so an interrupted run resumes.

    `models` are factories without arguments (`partial(make, seed=1)`) of picklable models; `config` is whatever their answers
    depend on besides what a fresh model holds, its code and the panel. With `workers` > 1 blocks run in processes of their own,
    and the factories must be picklable too.
    """
    state.mkdir(parents=True, exist_ok=True)
    # naive is the measure itself and made here
    made = {name: model_fingerprint(factory) for name, factory in models.items() if name != NAIVE}
    note_variants(state, {name: short({"made": one, "config": config or {}}) for name, one in made.items()}, config or {})
    tasks = list(_tasks(panel, models, made, plan, config or {}))
    missing = [task for task in tasks if not task.stored(state).exists()]
    done = len(tasks) - len(missing)
    progress(done, len(tasks), "kept from before")
    for nth, task in enumerate(answered(panel, missing, state, workers), done + 1):
        progress(nth, len(tasks), f"{task.model} {panel.days[task.block[0]]}")
    forget(state, {task.stored(state) for task in tasks})
    return _cells(panel, plan, tasks, state)


def _tasks(
    panel: Panel, models: Mapping[str, Factory], made: Mapping[str, str], plan: Plan, config: Mapping[str, object]
) -> Iterator[Task]:
    """Blocks from the oldest on, models in turn. Days after a block's last origin do not enter its key: they cannot matter."""
    blocks = [(block, name) for name in made for block in plan.blocks(getattr(models[name](), "refit_origins", REFIT_ORIGINS))]
    for block, name in sorted(blocks, key=lambda one: one[0][0]):
        asked = {
            "data": data_fingerprint(panel.until(block[-1])),
            "origins": [str(panel.days[origin]) for origin in block],
            "horizons": plan.horizons,
            "config": config,
        }
        yield Task(name, models[name], block, plan.horizons, short({**asked, "model": made[name]}))


def open_holdout(panel: Panel, models: Mapping[str, Factory], plan: Plan, state: Path, reason: str, **how: object) -> Cells:
    """The cells of the final holdout; the opening goes on record before anything is computed."""
    part = plan.part(opened=True)
    state.mkdir(parents=True, exist_ok=True)
    days = [str(panel.days[origin]) for origin in part.origins]
    note_opening(state, reason=reason, models=list(models), origins=days, source=panel.source)
    return run(panel, models, part, state, **how)  # type: ignore[arg-type]


def _cells(panel: Panel, plan: Plan, tasks: Sequence[Task], state: Path) -> Cells:
    """Read the answers back, origin by origin, for the targets that count: observed, Monday to Friday, after a first price."""
    answers: dict[str, dict[int, Floats]] = {task.model: {} for task in tasks}
    for task in tasks:
        answers[task.model].update(zip(task.block, kept(task, state), strict=True))
    weekday = (panel.days.astype(np.int64) + 3) % 7
    columns: dict[str, list[Floats]] = {name: [] for name in ("series", "origin", "horizon", "actual", "scale", "step", NAIVE)}
    forecasts: dict[str, list[Floats]] = {model: [] for model in answers}
    for origin in plan.origins:
        known = panel.until(origin)
        last, size, step = known.filled[:, -1], scale(known), usual_step(known.price)
        for nth, horizon in enumerate(plan.horizons):
            actual = panel.price[:, origin + horizon]
            rows = np.flatnonzero(np.isfinite(actual) & np.isfinite(last) & (weekday[origin + horizon] < SATURDAY))
            values = (
                rows,
                np.full(rows.size, origin),
                np.full(rows.size, horizon),
                actual[rows],
                size[rows],
                step[rows],
                last[rows],
            )
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
            for model, answer in answers.items():
                forecasts[model].append(answer[origin][rows, nth])
    joined = {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in columns.items()}
    naive = joined.pop(NAIVE)
    whole = {name: joined[name].astype(np.int64) for name in ("series", "origin", "horizon")}
    cells = Cells(
        **{**joined, **whole}, forecasts={NAIVE: naive}, commodities=panel.commodities, regions=panel.regions, days=panel.days
    )
    return cells.with_forecasts(**{model: np.concatenate(parts) for model, parts in forecasts.items() if parts})
