"""How rare a score is among those of the year before, and the severity that follows from it."""

from dataclasses import dataclass

import numpy as np

from ml.anomalies.observations import Flags, Floats, Ints

CALIBRATION_DAYS = 365
LEAST_OWN = 1000  # scores of the commodity; with fewer, those of all commodities of its channel count
SEVERITIES = (("critical", 0.0001), ("high", 0.001), ("medium", 0.01), ("low", 0.05))


@dataclass(frozen=True)
class Rarity:
    """`p` = (1 + scores at least as large) / (n + 1): conformal, so never smaller than n scores allow."""

    p: float
    n: int
    basis: str  # commodity or all

    def severity(self, hard: bool) -> str:
        """low, medium, high or critical; none above .05. A unit error (`hard`) is always critical."""
        if hard:
            return "critical"
        return next((name for name, limit in SEVERITIES if self.p <= limit), "none")


@dataclass(frozen=True)
class StrengthHistory:
    """Strengths of all series-days of one commodity and channel, unit errors left out, by day.

    Refused prices are included: without them every refused price would be rarer than all others, and so
    critical.
    """

    days: Ints  # epoch day of each strength, ascending
    strength: Floats

    @classmethod
    def from_scores(cls, days: Ints, strength: Floats, hard: Flags) -> "StrengthHistory":
        """From [days, series] arrays."""
        counted = np.isfinite(strength) & ~hard
        return cls(np.repeat(days, counted.sum(axis=1)), strength[counted])

    def before(self, day: int) -> Floats:
        """Strengths of the calibration days before `day`."""
        low, high = np.searchsorted(self.days, (day - CALIBRATION_DAYS, day))
        return self.strength[low:high]


def measure_rarity(strength: float, day: int, own: StrengthHistory, every: list[StrengthHistory]) -> Rarity:
    """Rarity of one score on a day, from earlier days alone. `every`: the histories of all commodities."""
    basis = "commodity"
    past = own.before(day)
    if len(past) < LEAST_OWN:
        basis = "all"
        past = np.concatenate([history.before(day) for history in every])
    return Rarity((1 + int((past >= strength).sum())) / (len(past) + 1), len(past), basis)
