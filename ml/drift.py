"""Whether prices have left the law that forecasts were judged by: one look a day, and several alike before it is believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from conf.settings import settings
from ml import rounds
from ml.issued import places
from ml.panel import Panel

WINDOW_DAYS = 28  # of targets
LEAST_CELLS = 100
NOMINAL = (0.025, 0.075, 0.8, 0.075, 0.025)  # below, lower, inside 80 %, upper, above
FLOOR = 1e-3  # of a share, so that an empty place has a finite index


@dataclass(frozen=True)
class Look:
    cells: int
    coverage_80: float
    psi: float

    @property
    def strange(self) -> bool:
        """Outside the band of coverage, or shifted."""
        low, high = settings().training.drift_coverage
        return not low <= self.coverage_80 <= high or self.psi > settings().training.drift_psi


def psi(shares: Sequence[float], nominal: Sequence[float] = NOMINAL) -> float:
    """Population stability index, Σ(a − e)·ln(a/e); 0.1 is a small shift, above 0.2 a real one."""
    seen, expected = np.maximum(shares, FLOOR), np.maximum(nominal, FLOOR)
    return float(((seen - expected) * np.log(seen / expected)).sum())


def look(panel: Panel) -> Look | None:
    """Where the prices of the last weeks lie in their champions' intervals; None below LEAST_CELLS cells."""
    n, shares = places(panel, panel.days[-1].item() - timedelta(WINDOW_DAYS))
    return Look(n, shares[2], psi(shares)) if n >= LEAST_CELLS else None


def take_note(seen: Look | None, day: str) -> bool:
    """Count looks that agree, one a market day; True when drift has just been established.

    Hysteresis: it takes drift_looks strange looks in a row to begin, and as many calm ones to end.
    """
    last = rounds.noted("drift")
    if seen is None or last.get("day") == day:
        return False
    drifting = bool(last.get("drifting"))
    against = last.get("against", 0) + 1 if seen.strange != drifting else 0
    turned = against >= settings().training.drift_looks
    state = drifting != turned
    told = {"coverage_80": round(seen.coverage_80, 4), "psi": round(seen.psi, 4), "cells": seen.cells}
    rounds.note("drift", day=day, drifting=state, against=0 if turned else against, **told)
    return turned and state
