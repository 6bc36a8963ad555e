"""All detectors on one commodity and channel: scores, alarms, and alarms of single days grouped to events."""

from dataclasses import dataclass

import numpy as np

from lakehouse.validation.prices.thresholds import Thresholds
from ml.anomalies.dbscan import outliers
from ml.anomalies.observations import Flags, Floats, Ints, Reports
from ml.anomalies.scores import Scores, forest_scores, score_reports
from ml.anomalies.severity import StrengthHistory

MERGE_DAYS = 3  # alarms of a series at most so far apart are one event


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
    flags: Flags = (np.nan_to_num(scores.strength) > 1) | scores.hard
    return flags


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
