"""A price of a series is judged only by earlier prices; the DBSCAN label equals that of scikit-learn."""

import math
import random
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from conf.settings import settings
from lakehouse.validation.dbscan import MIN_SAMPLES, distance_to_core
from lakehouse.validation.prices.cross_section import cross_section
from lakehouse.validation.prices.series_check import METHODS, PriceFinding, check_series, conformal
from tests.support.forecast_lake import STATISTICS

FIRST = date(2024, 1, 1)
NEWEST = STATISTICS[0]["last_day"]
KNOBS = settings().rule_values()
Observations = list[tuple[date, float]]


def check(
    observations: Observations, rows: Any = (), methods: Any = METHODS, region_code: str | None = "32"
) -> list[PriceFinding]:
    return check_series(
        rows,
        commodity="bawang-merah",
        region_code=region_code,
        observations=observations,
        methods=methods,
        knobs=KNOBS,
    )


def walk(seed: int, days: int = 120, first: date = FIRST, sd: float = 0.02) -> Observations:
    """A driftless random walk, with gaps and two faults."""
    draw = random.Random(seed)
    level = math.log(35_000)
    observations = []
    for day in range(days):
        level += draw.gauss(0, sd)
        if draw.random() > 0.1:
            fault = 1.8 if day in (60, 90) else 1.0
            observations.append((first + timedelta(days=day), round(math.exp(level) * fault)))
    return observations


def test_later_prices_change_no_verdict() -> None:
    for seed, first in ((1, FIRST), (2, NEWEST - timedelta(days=60))):
        observations = walk(seed, first=first)
        whole = check(observations, STATISTICS)
        for cut in (1, 40, len(observations) - 1):
            assert check(observations[:cut], STATISTICS) == whole[:cut]


def test_order_of_days_changes_no_verdict() -> None:
    observations = walk(3)
    by_day = dict(zip(observations, check(observations), strict=True))
    random.Random(4).shuffle(observations)
    assert check(observations) == [by_day[observation] for observation in observations]


def test_statistics_of_tables_judge_only_later_prices() -> None:
    before = walk(5, 60, NEWEST - timedelta(days=59))
    assert before[-1][0] <= NEWEST and check(before, STATISTICS) == check(before)
    after = [(NEWEST + timedelta(days=1), 35_600.0), (NEWEST + timedelta(days=2), 50_000.0)]
    assert [finding.is_anomaly for finding in check(after, STATISTICS)] == [False, True]
    assert not check(after[:1])[0].score, "a first price without tables has no score"


def test_distance_from_other_provinces_alone_is_no_anomaly() -> None:
    apart = [(NEWEST + timedelta(days=1), 36_000.0)]
    (with_others,), (alone,) = check(apart, STATISTICS), check(apart, STATISTICS, ["dbscan"])
    assert (with_others.methods, with_others.is_anomaly, with_others.severity) == (("dbscan",), False, "none")
    assert (alone.methods, alone.is_anomaly, alone.severity) == (("dbscan",), True, "low"), (
        "37 other provinces allow no higher severity"
    )


def test_level_that_comes_three_times_is_a_new_level() -> None:
    days = [FIRST + timedelta(days=day) for day in range(80)]
    prices = [35_000 + 50.0 * (day % 3) for day in range(40)] + [
        60_000 + 50.0 * (day % 3) for day in range(40)
    ]
    findings = check(list(zip(days, prices, strict=True)), methods=["residual"])
    assert [nth for nth, finding in enumerate(findings) if finding.is_anomaly] == [40, 41, 42]
    back = [*prices[:40], 60_000.0, *prices[:39]]
    once = check(list(zip(days, back, strict=True)), methods=["residual"])
    assert [nth for nth, finding in enumerate(once) if finding.is_anomaly] == [40], "the return is no anomaly"


def test_faults_are_found_and_clean_walks_raise_few_alarms() -> None:
    wrong = missed = days = 0
    for seed in range(10, 20):
        observations = walk(seed, 200)
        faults = {FIRST + timedelta(days=day) for day in (60, 90)} & {day for day, _ in observations}
        alarms = {
            day
            for (day, _), finding in zip(observations, check(observations), strict=True)
            if finding.is_anomaly
        }
        wrong += len(alarms - faults)
        missed += len(faults - alarms)
        days += len(observations)
    assert missed == 0 and wrong <= days / 1000, (wrong, missed, days)


@pytest.mark.parametrize("factor", [0.01, 0.1, 10, 100])
def test_error_by_a_power_of_ten_is_critical(factor: float) -> None:
    observations = [*walk(6)[:50], (FIRST + timedelta(days=58), 35_000 * factor)]
    assert check(observations)[-1].severity == "critical"


def test_severity_follows_from_p_value_and_needs_a_vote() -> None:
    for finding in check(walk(7), STATISTICS):
        assert (
            (finding.severity == "none")
            == (not finding.is_anomaly)
            == (not set(finding.methods) - {"dbscan"})
        )
        assert 0 <= finding.score <= 1 and set(finding.methods) <= set(METHODS)
    usual = np.arange(1.0, 100.0)
    assert (
        conformal(usual, 99.0) == 2 / 100
        and conformal(usual, 99.5) == 1 / 100
        and conformal(usual, 0.0) == 1.0
    )


def test_degenerate_series_are_judged_too() -> None:
    day = [(FIRST, 35_000.0)] * 3
    flat = [(FIRST + timedelta(days=n), 35_000.0) for n in range(400)]
    assert not any(
        finding.is_anomaly
        for finding in [*check(day), *check(flat), *check(flat, STATISTICS, region_code=None)]
    )
    wild = [(FIRST + timedelta(days=n), 10.0 ** (n % 12)) for n in range(50)]
    assert len(check(wild, STATISTICS)) == 50
    empty = [{**row, **dict.fromkeys(("last_log", "last_day", "national_level"))} for row in STATISTICS]
    assert check(flat, empty) == check(flat)


def test_label_is_that_of_scikit_learn() -> None:
    draw, labels = np.random.default_rng(1), set()
    for _ in range(60):
        points = draw.standard_t(3, (draw.integers(5, 30), 2))
        point, eps = draw.standard_t(2, 2) * 2, draw.uniform(0.3, 1.5)
        label = DBSCAN(eps=eps, min_samples=MIN_SAMPLES).fit(np.vstack([points, point])).labels_[-1]
        assert (distance_to_core(points, point, eps) > 1) == (label == -1)
        labels.add(bool(label == -1))
    assert labels == {True, False}


def test_province_counts_once_and_the_judged_one_is_left_out() -> None:
    doubled = [
        *STATISTICS,
        *({**row, "level": "market", "market_id": "M", "last_log": 99.0} for row in STATISTICS),
    ]
    space = cross_section(doubled, "32")
    assert space is not None and len(space.points) == len(STATISTICS) - 1 and np.abs(space.points).max() < 10
    assert cross_section(STATISTICS[:8], STATISTICS[0]["region_code"]) is None, "seven are too few"
