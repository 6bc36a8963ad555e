"""All detectors on one commodity and channel: scores, alarms, and alarms of single days grouped to events."""

from dataclasses import dataclass

import numpy as np

from lakehouse.validation.dbscan import EPS_SHARE, MIN_SAMPLES, noise
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import median_of
from ml.anomalies.observations import Flags, Floats, Ints, Reports
from ml.anomalies.scores import Scores, forest_scores, score_reports

MERGE_DAYS = 3  # alarms of a series at most so far apart are one event
WINDOW_DAYS = 180
CALIBRATION_DAYS = 365
LEAST_OWN = 1000  # scores of the commodity; with fewer, those of all commodities of its channel count
SEVERITIES = (("critical", 0.0001), ("high", 0.001), ("medium", 0.01), ("low", 0.05))


def outliers(scores: Scores, days: Ints) -> Flags:
    """[days, series] true where DBSCAN's label is -1.

    A point is (gap less the usual gap, move of a week less the day's median move). Each coordinate is divided
    by the commodity's median absolute deviation over the 180 days before; eps is the 95 % quantile of the
    distance to the 4th neighbour in the same days. The usual gap is subtracted so that a remote province is
    no outlier.
    """
    move = scores.move_7 - median_of(scores.move_7, 1)[:, None]
    flags = np.zeros(scores.gap.shape, dtype=bool)
    fourth = np.full(scores.gap.shape, np.nan)
    for row, day in enumerate(days.tolist()):
        start = int(np.searchsorted(days, day - WINDOW_DAYS))
        scale = [_deviation(values[start:row].ravel()) for values in (scores.gap, move)]
        reported = np.flatnonzero(np.isfinite(scores.gap[row]) & np.isfinite(move[row]) & ~scores.hard[row])
        if not all(scale) or len(reported) <= MIN_SAMPLES:
            continue
        points = np.stack([scores.gap[row, reported] / scale[0], move[row, reported] / scale[1]], axis=1)
        distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
        fourth[row, reported] = np.sort(distance, axis=1)[:, MIN_SAMPLES]
        past = fourth[start:row][np.isfinite(fourth[start:row])]
        if len(past) >= WINDOW_DAYS:
            flags[row, reported] = noise(distance, float(np.quantile(past, EPS_SHARE)))
    return flags


def _deviation(values: Floats) -> float:
    """Median absolute deviation of all finite values; 0 without any."""
    return float(np.nan_to_num(median_of(np.abs(values - median_of(values, 1)), 1)))


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


@dataclass(frozen=True)
class Detection:
    """One commodity and channel with the results of all detectors; arrays are [days, series]."""

    reports: Reports
    scores: Scores
    forest: Floats  # isolation-forest score, NaN where it was not computed
    dbscan: Flags  # DBSCAN's label is -1
    history: StrengthHistory

    @property
    def alarms(self) -> Flags:
        """Residual and geographic score decide.

        The other detectors raise none: `bench anomalies` shows why.
        """
        return _alarms(self.scores)


@dataclass(frozen=True)
class AnomalyEvent:
    """`rows`: numbers of its flagged days, ascending; `strongest`: the one with the largest strength."""

    series: int
    rows: tuple[int, ...]
    strongest: int

    @property
    def first(self) -> int:
        """Number of its first day."""
        return self.rows[0]


def detect(reports: Reports, thresholds: Thresholds, everywhere: bool = False) -> Detection:
    """Run all detectors. The isolation forest scores alarms only, unless `everywhere`: it is what costs."""
    scores = score_reports(reports, thresholds)
    forest = forest_scores(scores, None if everywhere else _alarms(scores))
    history = StrengthHistory.from_scores(reports.days, scores.strength, scores.hard)
    return Detection(reports, scores, forest, outliers(scores, reports.days), history)


def _alarms(scores: Scores) -> Flags:
    return (np.nan_to_num(scores.strength) > 1) | scores.hard


def group_alarms(alarms: Flags, strength: Floats, days: Ints) -> list[AnomalyEvent]:
    """Events of [days, series] alarms, series by series."""
    events = []
    for series in np.flatnonzero(alarms.any(axis=0)).tolist():
        rows = np.flatnonzero(alarms[:, series])
        for part in np.split(rows, np.flatnonzero(np.diff(days[rows]) > MERGE_DAYS) + 1):
            # a unit error in a series too young for a score has no strength
            weight = np.nan_to_num(strength[part, series], nan=np.inf)
            events.append(AnomalyEvent(series, tuple(part.tolist()), int(part[np.argmax(weight)])))
    return events
