"""A list without `from` and `to` covers the days before the newest of its table, and says which."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scripts.bench.api_lake import write
from serving_api.http.cursors import time_range
from tests.conftest import Broker
from tests.support.api import Api, new_stack, pages
from tests.support.forecast_lake import anomaly
from tests.support.served_lake import NOW, price, quarantined

OLD = datetime(2024, 3, 20, 1, tzinfo=UTC)  # the newest price of the lake
HISTORY = "/api/public/commodity/price/history?commodity=garam"


@pytest.fixture(scope="module")
def ended(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A lake whose data end in 2024."""
    stack = new_stack(tmp_path_factory.mktemp("ended"), broker)
    ages = [timedelta(days=days) for days in (0, 29, 31)]
    rows = [price(f"p{age.days}", "PASAR-001", "garam", NOW - OLD + age) for age in ages]
    write(stack.lake_root, "gold.price_history", rows)
    times = [{"received_at": OLD - age, "quarantined_at": OLD - age} for age in ages]
    dates = [{"ingest_date": time["quarantined_at"].date()} for time in times]
    write(
        stack.lake_root, "silver.quarantine", [quarantined(n) | times[n] | dates[n] for n in range(len(ages))]
    )
    windows = [{"window_start": OLD - age, "window_end": OLD - age} for age in ages]
    counted = {"kind": "price", "table": "silver.prices", "rule": "a", "severity": "error"}
    numbers = {"batch_id": 1, "evaluated": 1, "violated": 1, "rule_set": "f" * 16}
    write(stack.lake_root, "gold.data_quality", [counted | numbers | window for window in windows])
    anomalies = [
        anomaly(number) | {"event_time": OLD - age, "market_date": (OLD - age).date()}
        for number, age in enumerate(ages)
    ]
    write(stack.lake_root, "gold.anomalies", anomalies)
    running = Api(stack)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("path", "role"),
    [
        (HISTORY, None),
        ("/api/v1/predict/anomaly/32", None),
        ("/api/v1/quarantine", "operator"),
        ("/api/v1/data-quality", None),
    ],
)
def test_default_range_ends_at_the_newest_day_of_the_table(ended: Api, path: str, role: str | None) -> None:
    body = ended.get(path, role).json()
    assert len(body["items"]) == 2, "the third is older than 30 days"
    assert body["meta"]["range"] == {"from": "2024-02-19T17:00:00Z", "to": "2024-03-20T17:00:00Z"}


def test_meta_names_the_requested_range(ended: Api) -> None:
    body = ended.get(f"{HISTORY}&from=2024-02-01T00:00:00Z").json()
    assert len(body["items"]) == 3
    assert body["meta"]["range"] == {"from": "2024-02-01T00:00:00Z", "to": None}


def test_days_end_at_midnight_of_the_zone_and_far_days_do_not_overflow() -> None:
    zone = "Asia/Jayapura"
    assert time_range(None, None, date(2024, 3, 20), zone).end == datetime(2024, 3, 20, 15, tzinfo=UTC)
    late = time_range(None, None, OLD.replace(hour=23), zone)
    assert late.end == datetime(2024, 3, 21, 15, tzinfo=UTC) and late.end - late.start == timedelta(days=30)
    assert time_range(None, None, date.max).end is not None
    assert time_range(None, None, None).start < datetime.now(UTC)


def local_prices(days: range, **more: object) -> list[dict[str, object]]:
    """A price soon after midnight and one in the evening of each June day, in all three time zones."""
    places = {"PROV-32": "Asia/Jakarta", "PROV-51": "Asia/Makassar", "PROV-94": "Asia/Jayapura"}
    return [
        price(
            f"{place}-{day}-{hour}",
            place,
            "garam",
            NOW - datetime(2024, 6, day, hour, 30, tzinfo=ZoneInfo(zone)),
        )
        | more
        for place, zone in places.items()
        for day in days
        for hour in (0, 20)
    ]


@pytest.fixture
def zones(broker: Broker, tmp_path: Path) -> Iterator[Api]:
    stack = new_stack(tmp_path, broker)
    write(stack.lake_root, "gold.price_history", local_prices(range(1, 30)))
    anomalies = [
        anomaly(number) | {name: row[name] for name in ("region_code", "event_time", "market_date")}
        for number, row in enumerate(local_prices(range(13, 17)))
    ]
    write(stack.lake_root, "gold.anomalies", anomalies)
    running = Api(stack)
    yield running
    running.stop()


def test_dates_are_market_days_in_every_time_zone(zones: Api) -> None:
    path = f"{HISTORY}&from=2024-06-14&to=2024-06-15"
    items = zones.get(path).json()["items"]
    assert len(items) == 6 and {item["market_date"] for item in items} == {"2024-06-14"}
    assert pages(zones, f"{path}&limit=1") == items
    for region in ("32", "51", "94"):
        assert [item["market_date"] for item in zones.get(f"{path}&region={region}").json()["items"]] == [
            "2024-06-14"
        ] * 2
    times = zones.get(f"{HISTORY}&from=2024-06-14&to=2024-06-14T20:00:00%2B07:00").json()["items"]
    assert len(times) == 5, "the mornings, and the evenings of Bali and Papua, which came earlier"
    anomalies = zones.get("/api/v1/predict/anomaly/94?from=2024-06-14&to=2024-06-15").json()["items"]
    assert len(anomalies) == 2


def test_default_range_is_of_whole_market_days(zones: Api) -> None:
    items = pages(zones, f"{HISTORY}&limit=7")
    assert len(items) == 29 * 6
    whole = pages(zones, f"{HISTORY}&limit=1000&to=2024-06-15")
    assert len(whole) == 14 * 6 and {item["market_date"] for item in whole} == {
        f"2024-06-{day:02}" for day in range(1, 15)
    }


def test_default_range_ends_where_the_series_ends(broker: Broker, tmp_path: Path) -> None:
    """The province stopped reporting 40 days before the others."""
    stack = new_stack(tmp_path, broker)
    rows = [price(f"a{days}", "PROV-11", "garam", timedelta(days=days)) for days in (40, 50, 80)]
    rows += [
        price("new", "PROV-32", "garam", timedelta(0)),
        price("other", "PROV-11", "beras-medium", timedelta(0)),
    ]
    write(stack.lake_root, "gold.price_history", rows)
    write(stack.lake_root, "gold.live_prices", [rows[0], *rows[3:]])
    own = Api(stack)
    try:
        path = f"{HISTORY}&region=Aceh"
        body = own.get(path).json()
        assert [item["event_id"] for item in body["items"]] == ["a40", "a50"]
        assert pages(own, f"{path}&limit=1") == body["items"]
        newest_day = (NOW - timedelta(days=40)).astimezone(ZoneInfo("Asia/Jakarta"))
        assert body["meta"]["range"]["to"] == f"{newest_day:%Y-%m-%d}T17:00:00Z", "midnight after it"
        assert [item["event_id"] for item in own.get(HISTORY).json()["items"]] == ["new"]
        market = own.get(f"{HISTORY}&market_id=PROV-11").json()["items"]
        assert [item["event_id"] for item in market] == ["a40", "a50"]
    finally:
        own.stop()
