"""Times on routes: the heuristic's parts, and disasters in posts."""

from datetime import UTC, date, datetime

import pytest

from lakehouse.supply.disasters import disaster_on
from lakehouse.supply.route_time import (
    Conditions,
    base_hours,
    heuristic_hours,
    traffic_share,
    weather_share,
)


def test_time_grows_with_distance_rain_traffic_and_disasters() -> None:
    assert base_hours(80) == 2
    assert base_hours(180, by_sea=True) == 16
    worse = Conditions(weather=0.25, traffic=0.35, disaster=0.5)
    assert heuristic_hours(80, worse) == pytest.approx(2 * 1.25 * 1.35 * 1.5)
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
