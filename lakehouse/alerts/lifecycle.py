"""Life cycle of an alert: a fold over the market days of one series and rule.

pending -> active        the rule still holds on the third day; at once on a critical day
pending -> self_corrected  it does not hold any more before that; nobody is notified
active  -> cleared       the exit rule holds on 3 days in a row within 7, and it was active for 7 days

The exit rule is stricter than the enter rule, and 7 days lie between two alerts of a series becoming active,
whatever the prices do. Days without data are no days: they neither confirm nor clear.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lakehouse.gold.price_panel import Ints

AlertState = Literal["pending", "active", "acknowledged", "cleared", "self_corrected"]
Bools = npt.NDArray[np.bool_]
OPEN_STATES = ("pending", "active", "acknowledged")
CONFIRMING_DAYS = 3
CLEARING_DAYS = 3
CLEARING_WINDOW_DAYS = 7
LEAST_ACTIVE_DAYS = 7
STALE_DAYS = 7
TIER_DAYS = (3, 7)  # last day of tier 1 and of tier 2


@dataclass(frozen=True)
class Observed:
    """The days of one series on which a rule could be evaluated, all arrays (days,).

    `days`: since 1970, ascending. `enters` and `exits` exclude each other; `at_once`: a critical day.
    """

    days: Ints
    enters: Bools
    exits: Bools
    at_once: Bools


@dataclass(frozen=True)
class Interval:
    """One alert of a series; positions in its days. `active` is None before it became active."""

    state: AlertState
    first: int
    last: int
    active: int | None


def intervals(observed: Observed) -> list[Interval]:
    """The alerts of a series, oldest first; only the last one may be open."""
    starts = np.flatnonzero(observed.enters)
    collected: list[Interval] = []
    position = 0
    while (nth := int(np.searchsorted(starts, position))) < len(starts):
        collected.append(_interval(observed, int(starts[nth])))
        position = collected[-1].last + 1
    return collected


def _interval(observed: Observed, first: int) -> Interval:
    """The alert that opens on day `first`, up to the day that closes it or the newest one."""
    days = observed.days
    for last in range(first, len(days)):
        if not observed.enters[last]:
            return Interval("self_corrected", first, last, None)
        if observed.at_once[last] or last - first + 1 >= CONFIRMING_DAYS:
            return _active_interval(observed, first, last)
    return Interval("pending", first, len(days) - 1, None)


def _active_interval(observed: Observed, first: int, active: int) -> Interval:
    days = observed.days
    calm = 0
    for last in range(active + 1, len(days)):
        calm = calm + 1 if observed.exits[last] else 0
        if (
            calm >= CLEARING_DAYS
            and days[last] - days[last - CLEARING_DAYS + 1] < CLEARING_WINDOW_DAYS
            and days[last] - days[active] >= LEAST_ACTIVE_DAYS
        ):
            return Interval("cleared", first, last, active)
    return Interval("active", first, len(days) - 1, active)


def tier(days_active: int | None) -> int:
    """Escalation tier on the given day of being active (its first day is 1); 0 before."""
    if days_active is None:
        return 0
    return 1 + sum(days_active > last for last in TIER_DAYS)


def acknowledged(alert: Mapping[str, Any], act: Mapping[str, Any]) -> dict[str, Any]:
    """The alert with the first acknowledgement of a person: its message stays, its timer runs on."""
    newest: datetime = max(alert["updated_at"], act["event_time"])
    state = "acknowledged" if alert["state"] == "active" else alert["state"]
    return {
        **alert,
        "state": state,
        "updated_at": newest,
        "acknowledged_by": act["actor"],
        "acknowledged_at": act["event_time"],
        "note": act["note"],
    }
