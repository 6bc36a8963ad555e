"""Quarantined events that somebody is looking at: a note to others for two minutes, not a lock.

A decision of another person is accepted all the same. The notes are of this process alone.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.times import utc_text
from serving_api.http.problems import Problem

HOLD_SECONDS = 120


@dataclass(frozen=True)
class Hold:
    """Who looks at an event, and until when the note stands."""

    held_by: str
    until: datetime
    ends: float  # by the monotonic clock


class Holds:
    """One per process; used in the event loop alone."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def take(self, event_id: str, subject: str) -> Hold:
        """The note of this person, from now on. Raises Problem 409 while that of another one stands."""
        now = time.monotonic()
        for other in [name for name, hold in self._holds.items() if hold.ends <= now]:
            del self._holds[other]
        current = self._holds.get(event_id)
        if current is not None and current.held_by != subject:
            held_by = current.held_by
            until = utc_text(current.until)
            extensions = {"held_by": held_by, "until": until}
            raise Problem("held", extensions=extensions, name=event_id, held_by=held_by, until=until)
        end = (datetime.now(UTC) + timedelta(seconds=HOLD_SECONDS)).replace(microsecond=0)
        hold = self._holds[event_id] = Hold(subject, end, now + HOLD_SECONDS)
        return hold
