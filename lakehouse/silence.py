"""When nothing reports any more and most series should have: then nothing is left to notice it in the lake.

gold.silent_series compares a series with the newest batch, so that a stopped pipeline blames no device. Total
silence brings no batch; it shows against the clock of whoever asks. A market of one price a day does not hide
it for days: more than half of the series must be silent, and nothing have arrived for the shortest patience.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

CADENCES = 3  # as in gold.silent_series: silent for longer than so many usual gaps
COLUMNS = ("replayed", "last_event_time", "cadence_seconds")


@dataclass(frozen=True)
class TotalSilence:
    """Nothing has reported since `since`, the newest event of any of the `series`.

    `reached_at`: from then on more than half of them have been silent for too long.
    """

    since: datetime
    series: int
    reached_at: datetime


def total_silence(series: Iterable[Mapping[str, Any]], now: datetime) -> TotalSilence | None:
    """From rows of gold.silent_series; None before it is reached, and where no series has a rhythm yet."""
    silence = next_total_silence(series)
    return silence if silence and now > silence.reached_at else None


def next_total_silence(
    series: Iterable[Mapping[str, Any]], listening_since: datetime | None = None
) -> TotalSilence | None:
    """The silence that begins unless something reports; None where no series has a rhythm yet.

    Series that a file replays are left out: a file that has ended is not silent. `listening_since`: no event
    was expected before.
    """
    rhythms = [
        (row["last_event_time"], patience_of(row))
        for row in series
        if not row["replayed"] and row["cadence_seconds"] is not None
    ]
    if not rhythms:
        return None
    since = max(last for last, _ in rhythms)
    silent_at = sorted(max(last, listening_since or last) + patience for last, patience in rhythms)
    nothing_at = max(since, listening_since or since) + min(patience for _, patience in rhythms)
    return TotalSilence(since, len(rhythms), max(silent_at[len(rhythms) // 2], nothing_at))


def patience_of(series: Mapping[str, Any]) -> timedelta:
    """How long a series with a rhythm may be silent."""
    return timedelta(seconds=CADENCES * series["cadence_seconds"])
