"""Drift: whether prices still fall into their forecast intervals as often as they should.

Checked once a market day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from conf.settings import settings
from ml import schedule
from ml.data.panel import Panel
from ml.forecasts.live_accuracy import interval_shares

WINDOW_DAYS = 28  # of target days
LEAST_CELLS = 100
NOMINAL = (0.025, 0.075, 0.8, 0.075, 0.025)  # below, lower, inside 80 %, upper, above
FLOOR = 1e-3  # of a share, so that an empty part has a finite index


@dataclass(frozen=True)
class DriftCheck:
    """Coverage and population stability index of the champions' intervals over the last weeks."""

    cells: int
    coverage_80: float
    psi: float

    @property
    def drifted(self) -> bool:
        """Whether the coverage is outside its band, or the index above its limit."""
        low, high = settings().training.drift_coverage
        return not low <= self.coverage_80 <= high or self.psi > settings().training.drift_psi


def psi(shares: Sequence[float], nominal: Sequence[float] = NOMINAL) -> float:
    """Population stability index, Σ(a − e)·ln(a/e); 0.1 is a small shift, above 0.2 a real one."""
    actual = np.maximum(shares, FLOOR)
    expected = np.maximum(nominal, FLOOR)
    return float(((actual - expected) * np.log(actual / expected)).sum())


def check_drift(panel: Panel) -> DriftCheck | None:
    """The check of the last WINDOW_DAYS; None with fewer than LEAST_CELLS cells."""
    cells, shares = interval_shares(panel, panel.days[-1].item() - timedelta(WINDOW_DAYS))
    return DriftCheck(cells, shares[2], psi(shares)) if cells >= LEAST_CELLS else None


def record_check(check: DriftCheck | None, day: str) -> bool:
    """Count checks that agree, one a market day; True when drift has just been established.

    Hysteresis: drift begins after drift_looks drifted checks in a row, and ends after as many others.
    """
    last = schedule.read_note("drift")
    if check is None or last.get("day") == day:
        return False
    was_drifting = bool(last.get("drifting"))
    against = last.get("against", 0) + 1 if check.drifted != was_drifting else 0
    turned = against >= settings().training.drift_looks
    schedule.write_note(
        "drift",
        day=day,
        drifting=was_drifting != turned,
        against=0 if turned else against,
        coverage_80=round(check.coverage_80, 4),
        psi=round(check.psi, 4),
        cells=check.cells,
    )
    return turned and not was_drifting
