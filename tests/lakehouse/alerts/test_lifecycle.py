"""Life cycle of alerts: each transition by hand, and its laws on any course of a series."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.alerts.lifecycle import (
    CONFIRMING_DAYS,
    LEAST_ACTIVE_DAYS,
    OPEN_STATES,
    Interval,
    Observed,
    intervals,
    tier,
)


def observed(course: str, days: list[int] | None = None) -> Observed:
    """A letter a day: e enters, c enters as a critical day, - exits, . neither."""
    letters = np.array(list(course))
    return Observed(
        np.array(range(len(course)) if days is None else days, dtype=np.int64),
        np.isin(letters, ["e", "c"]),
        letters == "-",
        letters == "c",
    )


def test_third_day_makes_it_active():
    assert intervals(observed("..ee")) == [Interval("pending", 2, 3, None)]
    assert intervals(observed("..eee")) == [Interval("active", 2, 4, 4)]


def test_critical_day_makes_it_active_at_once():
    assert intervals(observed("c")) == [Interval("active", 0, 0, 0)]
    assert intervals(observed("ec")) == [Interval("active", 0, 1, 1)]


def test_short_rise_corrects_itself():
    assert intervals(observed("ee.")) == [Interval("self_corrected", 0, 2, None)]


def test_three_calm_days_clear_it_and_fewer_do_not():
    assert intervals(observed("eee....--.---")) == [Interval("cleared", 0, 12, 2)]
    assert intervals(observed("eee....--.--")) == [Interval("active", 0, 11, 2)]


def test_it_stays_active_for_seven_days():
    assert intervals(observed("eee------")) == [Interval("active", 0, 8, 2)]
    assert intervals(observed("eee-------")) == [Interval("cleared", 0, 9, 2)]


def test_calm_days_over_more_than_a_week_do_not_clear_it():
    assert intervals(observed("c---", [0, 20, 24, 28])) == [Interval("active", 0, 3, 0)]
    assert intervals(observed("c---", [0, 20, 23, 26])) == [Interval("cleared", 0, 3, 0)]


def test_days_without_data_keep_the_state():
    assert intervals(observed("ee", [0, 40])) == [Interval("pending", 0, 1, None)]
    assert intervals(observed("eeee", [0, 40, 41, 90])) == [Interval("active", 0, 3, 2)]


def test_tier_rises_after_three_and_seven_days():
    assert [tier(day) for day in (None, 1, 3, 4, 7, 8, 400)] == [0, 1, 1, 2, 2, 3, 3]


courses = st.lists(st.tuples(st.sampled_from("ec-."), st.integers(1, 9)), max_size=60)


def drawn(course: list[tuple[str, int]]) -> Observed:
    days = np.cumsum([gap for _, gap in course]).astype(int).tolist()
    return observed("".join(letter for letter, _ in course), days)


@given(courses)
def test_no_flapping_and_at_most_one_open_interval(course: list[tuple[str, int]]):
    """On any course, alerts of a series become active at least 7 days apart and never overlap."""
    series = drawn(course)
    alerts = intervals(series)
    active = [series.days[alert.active] for alert in alerts if alert.active is not None]
    assert all(
        later - earlier >= LEAST_ACTIVE_DAYS for earlier, later in zip(active, active[1:], strict=False)
    )
    assert all(first.last < second.first for first, second in zip(alerts, alerts[1:], strict=False))
    assert not [alert for alert in alerts[:-1] if alert.state in OPEN_STATES]


@given(courses)
def test_oscillation_around_the_enter_level_opens_one_alert(course: list[tuple[str, int]]):
    """Without a day below the exit level nothing is cleared."""
    series = drawn([(letter.replace("-", "."), gap) for letter, gap in course])
    assert sum(alert.active is not None for alert in intervals(series)) <= 1


@given(courses, st.integers(0, 60))
def test_later_days_do_not_change_what_was_closed(course: list[tuple[str, int]], cut: int):
    """The fold over a prefix gives the same closed alerts, and the open one at the same place."""
    whole = intervals(drawn(course))
    early = intervals(drawn(course[:cut]))
    closed = [alert for alert in early if alert.state not in OPEN_STATES]
    assert whole[: len(closed)] == closed
    assert [alert.first for alert in whole[: len(early)]] == [alert.first for alert in early]


@given(courses)
def test_every_alert_was_confirmed(course: list[tuple[str, int]]):
    series = drawn(course)
    for alert in intervals(series):
        if alert.active is not None:
            days = slice(alert.first, alert.active + 1)
            assert series.enters[days].all()
            assert series.at_once[alert.active] or alert.active - alert.first + 1 == CONFIRMING_DAYS
