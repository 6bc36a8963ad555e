"""Times on routes: the heuristic's parts, observed quantiles on a simulator, and disasters in posts."""

import random
from datetime import UTC, date, datetime

import pytest

from lakehouse.supply.disasters import disaster_on
from lakehouse.supply.route_time import (
    Conditions,
    Journey,
    base_hours,
    heuristic_hours,
    observed_times,
    traffic_share,
    weather_share,
)


def journeys(count: int, seed: int, hours_per_km: float) -> list[Journey]:
    """Deliveries whose pace varies around `hours_per_km` by a tenth, over varying distances."""
    rng = random.Random(seed)
    distances = [rng.uniform(100, 400) for _ in range(count)]
    return [Journey(km * hours_per_km * rng.gauss(1, 0.1), km, Conditions(traffic=0.15)) for km in distances]


def test_time_grows_with_distance_rain_traffic_and_disasters() -> None:
    assert base_hours(80) == 2
    assert base_hours(180, by_sea=True) == 16
    worse = Journey(0, 80, Conditions(weather=0.25, traffic=0.35, disaster=0.5))
    assert heuristic_hours(worse) == pytest.approx(2 * 1.25 * 1.35 * 1.5)
    shares = [weather_share(rain) for rain in (None, 0, 19.9, 20, 50, 100, 150, 400)]
    assert shares == [0, 0, 0, 0.10, 0.25, 0.5, 1, 1]


@pytest.mark.parametrize(
    ("moment", "timezone", "share"),
    [
        (datetime(2026, 8, 3, 23, tzinfo=UTC), "Asia/Jakarta", 0.35),
        (datetime(2026, 8, 3, 23, tzinfo=UTC), "Asia/Makassar", 0.35),
        (datetime(2026, 8, 3, 5, tzinfo=UTC), "Asia/Jakarta", 0.15),
        (datetime(2026, 8, 3, 18, tzinfo=UTC), "Asia/Jakarta", 0.0),
        (datetime(2026, 3, 21, 5, tzinfo=UTC), "Asia/Jakarta", 0.45),
        (datetime(2026, 3, 30, 5, tzinfo=UTC), "Asia/Jakarta", 0.15),
    ],
)
def test_traffic_by_local_hour_and_feast(moment: datetime, timezone: str, share: float) -> None:
    assert traffic_share(moment, timezone) == pytest.approx(share)


def test_observed_quantiles_need_fifty_deliveries_and_serve_when_nearer() -> None:
    assert observed_times(journeys(49, 1, 0.06)) is None
    times = observed_times(journeys(200, 2, 0.06))
    assert times and times.serves
    assert times.p50_hours_per_km == pytest.approx(0.06, rel=0.03)
    assert times.mae < times.heuristic_mae and times.mae < times.baseline_mae
    assert 0.75 <= times.p90_coverage <= 1


def test_heuristic_keeps_serving_where_it_is_nearer() -> None:
    """Deliveries follow the heuristic exactly, with delays that quantiles of the pace cannot foresee."""
    rng = random.Random(3)
    exact = [
        Journey(base_hours(km) * (1 + conditions.slowdown), km, conditions)
        for km, conditions in (
            (rng.uniform(100, 400), Conditions(weather=rng.choice((0, 0.25, 1)))) for _ in range(100)
        )
    ]
    times = observed_times(exact)
    assert times and not times.serves and times.heuristic_mae == pytest.approx(0)


@pytest.mark.parametrize(
    ("texts", "disaster"),
    [
        ([], "none"),
        (["Banjir di Sulawesi Selatan"], "none"),
        (["Banjir merendam Jawa Barat"], "flood"),
        (["Banjir merendam Jabar", "Tanah longsor di DKI Jakarta"], "landslide"),
        (["Jalan ditutup di Jawa Barat"], "none"),
        (["Jalan ditutup antara Jawa Barat dan Jakarta"], "closed"),
        (["R-7: akses terputus"], "closed"),
    ],
)
def test_worst_disaster_that_posts_report_counts(texts: list[str], disaster: str) -> None:
    assert disaster_on("R-7", ["32", "31"], texts) == disaster


def test_feast_is_known_for_years_ahead() -> None:
    from lakehouse.feasts import EID, feast_days_of

    assert date(2026, 3, 21) in feast_days_of(2026, EID)
    assert feast_days_of(2027, EID)
