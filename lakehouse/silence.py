"""Whether every series that used to report has fallen silent: then nothing is left to notice it in the lake.

gold.silent_series compares a series with the newest batch, so that a stopped pipeline blames no device. Total
silence brings no batch; it shows against the clock of whoever asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

CADENCES = 3  # as in gold.silent_series: silent for longer than so many usual gaps
COLUMNS = ("replayed", "last_event_time", "cadence_seconds")


@dataclass(frozen=True)
class TotalSilence:
    """Nothing has reported since `since`, the newest event of any of the `series`."""

    since: datetime
    series: int


def total_silence(series: Iterable[Mapping[str, Any]], now: datetime) -> TotalSilence | None:
    """From rows of gold.silent_series; None while one is not silent, and where none has a rhythm yet.

    Series that a file replays are left out: a file that has ended is not silent.
    """
    rhythms = [
        (row["last_event_time"], timedelta(seconds=CADENCES * row["cadence_seconds"]))
        for row in series
        if not row["replayed"] and row["cadence_seconds"] is not None
    ]
    if not rhythms or any(now - last <= patience for last, patience in rhythms):
        return None
    return TotalSilence(max(last for last, _ in rhythms), len(rhythms))
