"""Sensor rules that read earlier events: cases to check by eye, and published readings of an office."""

import csv
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from conf.settings import settings
from tests.support.walks import at, judged, landed, names, numbered, validator

MINUTE = 60
HOUR = 3600
DAY = 86400


def reading(seconds: float, device: str = "a", market: str = "M1", **metrics: float) -> dict[str, Any]:
    readings = [{"metric": metric, "value": value} for metric, value in metrics.items()]
    return {"market_id": market, "device_id_hash": device, "event_time": at(seconds), "readings": readings}


@pytest.mark.parametrize(
    ("seconds", "after", "jumps"),
    [
        (300, 35.1, True),
        (300, 35.0, False),
        (301, 45.0, False),
        (60, 14.9, True),
        (0, 36.0, True),
        (-1, 60.0, False),
    ],
)
def test_a_jump_is_more_than_ten_degrees_within_five_minutes(seconds: float, after: float, jumps: bool):
    """25 °C before; a reading older than that is compared with nothing."""
    verdicts = judged("sensor", [reading(0, temperature_c=25), reading(seconds, temperature_c=after)])
    assert names(verdicts)[1] == ({"temperature_jump"} if jumps else set())


def test_jump_compares_a_device_with_itself():
    verdicts = judged(
        "sensor", [reading(0, temperature_c=25), reading(60, device="b", market="M2", temperature_c=40)]
    )
    assert names(verdicts) == [set(), set()]


def flat_rows(readings: int, every: float, value: float = 61.0) -> list[dict[str, Any]]:
    return [reading(nth * every, humidity_pct=value) for nth in range(readings)]


def test_a_flat_line_lasts_six_hours_and_sixty_readings():
    """A reading a minute: 6 h are full with the 361st. One every 10 minutes: the 60th comes at 9 h 50."""
    often = names(judged("sensor", flat_rows(363, MINUTE)))
    assert [bool(violated) for violated in often] == [False] * 360 + [True] * 3
    seldom = names(judged("sensor", flat_rows(61, 10 * MINUTE)))
    assert [bool(violated) for violated in seldom] == [False] * 59 + [True] * 2


def test_a_flat_line_ends_with_another_value_and_with_silence():
    rows = flat_rows(400, MINUTE)
    moved = [*rows, reading(400 * MINUTE, humidity_pct=61.1), reading(401 * MINUTE, humidity_pct=61.0)]
    assert names(judged("sensor", moved))[399:] == [{"flat_line"}, set(), set()]
    silent = [*rows, reading(399 * MINUTE + 6 * HOUR + 1, humidity_pct=61.0)]
    assert names(judged("sensor", silent))[399:] == [{"flat_line"}, set()]


def test_flat_metric_is_named():
    rows = [reading(nth * MINUTE, temperature_c=25 + nth % 2, humidity_pct=61) for nth in range(361)]
    evidence = judged("sensor", rows)[-1][1]
    assert evidence is not None
    assert (
        evidence["flat_metric"],
        evidence["flat_value"],
        evidence["flat_hours"],
        evidence["flat_readings"],
    ) == (
        "humidity_pct",
        61.0,
        6.0,
        361,
    )


def crowds(day: int, *counts: float) -> list[dict[str, Any]]:
    return [reading(day * DAY + nth * MINUTE, crowd_count=count) for nth, count in enumerate(counts)]


def test_crowd_beyond_ten_times_the_99th_percentile_is_unusual():
    """Day 0: 1..100 people, of which 99 do not exceed 99. So the limit on day 1 is 990."""
    rows = [*crowds(0, *range(1, 101)), *crowds(1, 990, 991, 991)]
    assert names(judged("sensor", rows))[100:] == [set(), {"crowd_unusual"}, {"crowd_unusual"}]


def test_crowd_limit_needs_100_readings_of_the_last_28_days():
    assert names(judged("sensor", [*crowds(0, *[1] * 99), *crowds(1, 500)]))[-1] == set()
    assert names(judged("sensor", [*crowds(0, *[1] * 100), *crowds(28, 500)]))[-1] == {"crowd_unusual"}
    assert names(judged("sensor", [*crowds(0, *[1] * 100), *crowds(29, 500)]))[-1] == set()


def test_an_empty_place_counts_as_one_person():
    rows = [*crowds(0, *[0] * 100), *crowds(1, 10, 11)]
    assert names(judged("sensor", rows))[100:] == [set(), {"crowd_unusual"}]


@pytest.mark.parametrize(
    ("metric", "close", "far"),
    [("temperature_c", 28.0, 28.1), ("humidity_pct", 35.0, 35.1), ("crowd_count", 50.0, 51.0)],
)
def test_two_devices_that_disagree_are_both_warned(metric: str, close: float, far: float):
    """25 against more than 28 °C, 35.1 %, 50 people; each is compared with the other five minutes ago."""
    for value, expected in ((close, set()), (far, {"devices_disagree"})):
        first = [reading(10, "a", **{metric: 25.0}), reading(20, "b", **{metric: value})]
        later = [reading(310, "b", **{metric: value}), reading(320, "a", **{metric: 25.0})]
        assert names(judged("sensor", first + later)) == [set(), set(), expected, expected]


def test_few_people_are_not_compared():
    rows = [reading(0, "a", crowd_count=20), reading(300, "b", crowd_count=400)]
    assert names(judged("sensor", rows)) == [set(), set()]


def three(bucket: int, a: float, b: float, c: float) -> list[dict[str, Any]]:
    return [
        reading(300 * bucket + n, d, temperature_c=v)
        for n, (d, v) in enumerate((("a", a), ("b", b), ("c", c)))
    ]


def test_odd_device_of_three_is_refused():
    """Medians of (25, 26, 30) and (25, 26, x) are 26: 30 is 4 °C away, more than 3."""
    verdicts = judged("sensor", [*three(0, 25, 26, 30), *three(1, 25, 26, 30), *three(2, 25, 26, 27)])
    odd = {"devices_disagree", "device_odd"}
    assert names(verdicts) == [set(), set(), set(), set(), set(), odd, set(), set(), set()]
    evidence = verdicts[5][1]
    assert evidence is not None and (
        evidence["odd_median"],
        evidence["odd_peers"],
        evidence["odd_before"],
    ) == (26.0, 2, True)


def test_first_report_of_a_common_change_is_warned_not_refused():
    """A rain front: 30 -> 25.5 °C. The first to report it agreed with the others before."""
    verdicts = judged(
        "sensor", [*three(0, 30, 30, 30), *three(1, 25.5, 25.5, 25.5), *three(2, 25.5, 25.5, 25.5)]
    )
    assert names(verdicts) == [set()] * 3 + [{"devices_disagree"}] * 3 + [set()] * 3


def test_device_that_stays_odd_is_refused_and_a_gross_one_at_once():
    verdicts = judged(
        "sensor", [*three(0, 25, 25, 25), *three(1, 25, 25, 29), *three(2, 25, 25, 29), *three(3, 25, 25, 29)]
    )
    of_c = names(verdicts)[2::3]
    odd = {"devices_disagree", "device_odd"}
    assert of_c == [set(), {"devices_disagree"}, odd, odd]
    assert names(judged("sensor", [*three(0, 25, 25, 25), *three(1, 25, 25, 31.1)]))[-1] == odd


def test_refused_reading_is_ignored_later_and_a_released_one_is_not():
    """b's 40 °C of bucket 1 lands only by release; only then c of bucket 2 is compared with (25, 40)."""
    rows = [*three(0, 25, 25, 25), reading(301, "b", temperature_c=40), reading(302, "a", temperature_c=25)]
    later = [reading(600, "c", temperature_c=25)]
    refused = judged("sensor", rows + later)[-1][1]
    released = judged("sensor", [row | {"released": True} for row in rows] + later)[-1][1]
    assert refused and released and (refused["odd_peers"], released["odd_peers"]) == (1, 2)


def room_events() -> list[dict[str, Any]]:
    """Events of the three published files in order of time, as if the office were in Jakarta."""
    folder, rows = settings().shared / "data" / "occupancy_uci", []
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    for name in ("datatest", "datatraining", "datatest2"):
        with (folder / f"{name}.txt").open(newline="") as file:
            lines = csv.reader(file)
            next(lines)
            for _, when, temperature, humidity, *_, occupancy in lines:
                event_time = datetime.fromisoformat(when).replace(tzinfo=ZoneInfo("Asia/Jakarta"))
                values = {
                    "temperature_c": float(temperature),
                    "humidity_pct": float(humidity),
                    "crowd_count": float(occupancy),
                }
                rows.append(reading(0, "room", "LAB-001", **values) | {"event_time": event_time})
    return rows


def test_published_office_readings_have_no_error():
    """Only the occupancy, which is 0 or 1, stays flat for six hours: at night and on a weekend."""
    rows = numbered(room_events())
    verdicts = judged("sensor", rows)
    still_by_hand, since = 0, 0
    for nth, row in enumerate(rows):
        paused = nth and row["event_time"] - rows[nth - 1]["event_time"] > timedelta(hours=6)
        if paused or row["readings"][2] != rows[since]["readings"][2]:
            since = nth
        still_by_hand += (
            row["event_time"] - rows[since]["event_time"] >= timedelta(hours=6) and nth - since >= 59
        )
    assert still_by_hand > 10_000
    assert Counter(rule for violated in names(verdicts) for rule in violated) == {"flat_line": still_by_hand}
    still = [
        (evidence["flat_metric"], evidence["flat_value"])
        for violated, evidence in verdicts
        if violated and evidence
    ]
    assert set(still) == {("crowd_count", 0.0)}
    again = validator("sensor")
    again.load(landed("sensor", rows[:15000], verdicts[:15000]))
    assert judged("sensor", rows[15000:], again) == verdicts[15000:]
