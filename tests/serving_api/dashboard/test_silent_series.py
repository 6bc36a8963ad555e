"""Silence: what the simulator sent until it stopped is not missing; what fell silent before is."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from scripts.bench.api_lake import write
from tests.support.api import Api, Environment, new_stack
from tests.support.served_lake import NOW

HOUR_AGO = NOW - timedelta(hours=1)
DAY_AGO = NOW - timedelta(days=1)
ENDS = {"PASAR-001": HOUR_AGO, "PASAR-002": DAY_AGO, "PASAR-003": HOUR_AGO}
OF_SIMULATOR = ("PASAR-001", "PASAR-002")


def series(name: str) -> dict[str, Any]:
    return {
        "series_kind": "market",
        "series_id": name,
        "replayed": False,
        "clock_of": "live",
        "silent_seconds": 3600.0,
        "silent": True,
        "clock": NOW,
        "cadence_seconds": 900.0,
        "last_event_time": ENDS[name],
    }


def live_price(name: str) -> dict[str, Any]:
    event_id = f"sim-{name}" if name in OF_SIMULATOR else name
    place = {"market_id": name, "channel": "retail", "provider": "market", "commodity": "garam"}
    return place | {"event_id": event_id, "event_time": ENDS[name], "price_idr": 12_000.0}


@pytest.fixture(scope="module")
def silent_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("silent"))
    with Environment(stack).entered():
        write(stack.lake_root, "gold.silent_series", [series(name) for name in ENDS])
        write(stack.lake_root, "gold.live_prices", [live_price(name) for name in ENDS])
    api = Api(stack)
    yield api
    api.stop()


def test_series_that_ended_with_the_simulator_is_named_so(silent_api: Api) -> None:
    items = silent_api.get("/api/v1/silent-series?silent=true").json()["items"]
    assert {item["series_id"]: item["ended"] for item in items} == {
        "PASAR-001": True,
        "PASAR-002": False,
        "PASAR-003": False,
    }


def test_total_silence_counts_no_series_of_the_simulator(silent_api: Api) -> None:
    assert silent_api.get("/api/v1/pipeline").json()["silence"]["series"] == 1
