"""From models to decisions in one go: backtest, intervals, gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.backtest import Factory, Plan, Progress, run
from ml.cells import NAIVE, Cells
from ml.checks import Checks
from ml.figures import Figures, by_commodity
from ml.gate import Bar, Decision, champions, decide
from ml.intervals import Bands, Calibration, replay
from ml.panel import Floats, Panel
from ml.significance import Verdict
from ml.volatility import classes


@dataclass(frozen=True)
class Judgement:
    """All that follows from the cells of a backtest. Naive has bands and a calibration but no decisions: it needs none."""

    cells: Cells
    bands: dict[str, Bands]  # by model
    calibrations: dict[str, Calibration]  # by model; as they stand after the last cell, for intervals to be served
    decisions: dict[str, dict[str, Decision]]  # by model, then commodity
    champions: dict[str, Decision | None]  # by commodity; None = naive

    def says(self, commodity: str) -> str:
        """Why the champion of a commodity serves: its figures, or why the best challenger does not."""
        if champion := self.champions.get(commodity):
            return champion.says
        judged = [found[commodity] for found in self.decisions.values() if commodity in found]
        best = max(judged, key=lambda one: np.nan_to_num(one.figures.skill, nan=-np.inf), default=None)
        return f"naive: no model is better; the best was {best.says}" if best else "naive: no model was judged"


def judge(
    panel: Panel,
    cells: Cells,
    checks: Mapping[str, Checks],
    nulls: Mapping[str, Verdict] | None = None,
    bar: Bar | None = None,
) -> Judgement:
    """Judge every model of the cells. One without checks is judged as one that failed them all."""
    replayed = {model: replay(cells, model) for model in cells.models}
    bands = {model: found[0] for model, found in replayed.items()}
    # volatility as it was when the first forecast was made: classes are chosen before, not after
    volatility = classes(panel.until(int(cells.origin.min()))) if len(cells) else {}
    unchecked = Checks(truncation=False, rerun=False, unchanged=False, leakage=False)
    decisions = {
        model: decide(cells, model, bands, volatility, checks.get(model, unchecked), (nulls or {}).get(model), bar)
        for model in cells.models
        if model != NAIVE
    }
    best = dict.fromkeys(cells.goods) | champions(decisions.values())
    return Judgement(cells, bands, {model: found[1] for model, found in replayed.items()}, decisions, best)


def served(cells: Cells, champions: Mapping[str, Decision | None]) -> Floats:
    """The forecast of each cell that its commodity's champion gives, naive where there is none.

    On the cells by which champions were chosen it flatters a little; on a holdout it is what the choice is worth.
    """
    columns = [cells.forecasts[one.model if (one := champions.get(good)) else NAIVE] for good in cells.goods]
    return np.select([cells.good == nth for nth in range(len(columns))], columns, np.nan) if columns else cells.naive


def on_holdout(before: Cells, later: Cells) -> dict[str, dict[str, Figures]]:
    """Model → commodity → figures on the opened holdout alone; its intervals go on learning from where the others ended."""
    cells = before.then(later)
    late = np.isin(cells.origin, later.origin)
    return {model: by_commodity(cells.where(late), model, replay(cells, model)[0].where(late)) for model in cells.models}


def judged(
    panel: Panel,
    models: Mapping[str, Factory],
    plan: Plan,
    state: Path,
    checks: Mapping[str, Checks],
    config: Mapping[str, object] | None = None,
    workers: int = 1,
    progress: Progress = lambda done, total, what: None,
) -> Judgement:
    """Backtest on the origins before the holdout, and judge."""
    return judge(panel, run(panel, models, plan.part(opened=False), state, config, workers, progress), checks)
