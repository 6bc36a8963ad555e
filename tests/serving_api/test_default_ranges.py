"""A list without `from` and `to` covers the days before the newest of its table, and says which."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from scripts.bench.api_lake import write
from serving_api.http.cursors import time_range
from tests.conftest import Broker
from tests.support.api import Api, new_stack
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
