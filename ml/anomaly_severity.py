"""How rare a score is among those of the year before, and the word for it."""

from dataclasses import dataclass

import numpy as np

from ml.anomaly_reports import Floats, Ints

CALIBRATION_DAYS = 365
LEAST_OWN = 1000  # scores of the commodity itself, else those of all commodities of its channel
WORDS = (("critical", 0.0001), ("high", 0.001), ("medium", 0.01), ("low", 0.05))


@dataclass(frozen=True)
class Rarity:
    """`p` = (1 + scores at least as large) / (n + 1): conformal, so it cannot claim more than n scores allow."""

    p: float
    n: int
    basis: str  # commodity or all

    def severity(self, hard: bool) -> str:
        """low, medium, high or critical; none above .05. A unit error is critical whatever came before."""
        return "critical" if hard else next((word for word, limit in WORDS if self.p <= limit), "none")


@dataclass(frozen=True)
class Past:
    """Strengths of all series-days of one commodity and channel, unit errors left out, by day.

    Refused prices stay in: without them every refused price would be rarer than all that is left, and so critical.
    """

    days: Ints  # epoch day of each strength, ascending
    strength: Floats

    @classmethod
    def of(cls, days: Ints, strength: Floats, hard: np.ndarray) -> "Past":
        """From [days, series] arrays."""
        counted = np.isfinite(strength) & ~hard
        return cls(np.repeat(days, counted.sum(axis=1)), strength[counted])

    def before(self, day: int) -> Floats:
        """Strengths of the calibration days before `day`."""
        low, high = np.searchsorted(self.days, (day - CALIBRATION_DAYS, day))
        return self.strength[low:high]


def rarity(strength: float, day: int, own: Past, every: list[Past]) -> Rarity:
    """Of one score on a day, by earlier days alone."""
    past, basis = own.before(day), "commodity"
    if len(past) < LEAST_OWN:
        past, basis = np.concatenate([one.before(day) for one in every]), "all"
    return Rarity((1 + int((past >= strength).sum())) / (len(past) + 1), len(past), basis)
