"""Forecasts of closes over HTTP: the served model with its reason, and earlier ones beside what happened."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lakehouse.trading.series_bars import StoredSeries
from lakehouse.trading.signal_rows import live_row
from scripts.bench.api_lake import write
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.support.api import Api, new_stack
from tests.support.trading.lake_of_bars import write_bars

ORIGIN = date(2024, 1, 5)
ISSUED = datetime(2024, 1, 6, tzinfo=UTC)


def rows(model: str, champion: bool, price: float, issued_at: datetime = ISSUED) -> list[dict[str, Any]]:
    return [
        {
            "symbol": "COIN",
            "asset_class": "crypto",
            "currency": "USD",
            "issued_at": issued_at,
            "origin_date": ORIGIN,
            "target_date": ORIGIN + timedelta(days=ahead),
            "horizon_days": ahead,
            "model": model,
            "champion": champion,
            "price": price,
            "lower_80": price * 0.9,
            "upper_80": price * 1.1,
            "confidence": 0.9,
            "model_version": "2024-01-05",
            "run_id": "r1",
            "data_version": 3,
            "gate_reason": "naive: no model is better",
        }
        for ahead in range(1, 31)
    ]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("closes"))
    write_bars(stack.lake_root, COIN, random_bars(1, 8))
    stored = StoredSeries(COIN, random_bars(1, 8), random_bars(1, 8).time, "sim")
    write(stack.lake_root, "gold.bars_live", [live_row(stored)])
    older = rows("naive", True, 90.0, ISSUED - timedelta(days=1))
    issued = rows("naive", True, 100.0) + rows("drift", False, 120.0)
    write(stack.lake_root, "gold.equity_forecasts", older + issued)
    running = Api(stack)
    yield running
    running.stop()


def test_newest_issue_of_the_served_model_is_returned_with_its_reason(own: Api):
    body = own.get("/api/v1/ai/predictions/coin").json()
    assert [day["price"] for day in body["predictions"]] == [100.0] * 5
    assert (body["direction"], body["horizon_days"], body["currency"]) == ("flat", 5, "USD")
    assert body["reason"] == "naive: no model is better"
    assert body["meta"]["model"]["name"] == "naive" and body["meta"]["model"]["alias"] == "baseline"
    assert body["meta"]["model"]["trained_on"] == {"silver.bars": 3}
    longer = own.get("/api/v1/ai/predictions/COIN?horizon_days=30").json()
    assert len(longer["predictions"]) == 30


def test_forecast_states_the_day_of_its_data_and_that_bars_are_simulated(own: Api):
    meta = own.get("/api/v1/ai/predictions/COIN").json()["meta"]
    assert meta["as_of"] == "2024-01-05T00:00:00Z", "the last close, not the moment of the issue"
    assert meta["demo_data"] is True


def test_history_has_the_close_of_days_that_have_passed(own: Api):
    items = own.get("/api/v1/ai/history/COIN?from=2000-01-01&limit=4").json()["items"]
    assert [item["target_date"] for item in items] == ["2024-01-06", "2024-01-07", "2024-01-08", "2024-01-09"]
    known = items[0]
    assert known["actual"] == pytest.approx(float(random_bars(1, 8).close[5]))
    assert known["error_pct"] == pytest.approx(100 * (100 / known["actual"] - 1))
    assert items[3]["actual"] is None and items[3]["error_pct"] is None


def test_pages_of_the_history_follow_each_other_without_a_gap(own: Api):
    path = "/api/v1/ai/history/COIN?from=2000-01-01&limit=25"
    pages = [own.get(path).json()]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(own.get(f"{path}&cursor={cursor}").json())
    listed = [(item["made_at"], item["target_date"]) for page in pages for item in page["items"]]
    assert len(listed) == len(set(listed)) == 60 and listed[0][0] > listed[-1][0]


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/api/v1/ai/predictions/NOSUCH", 404, "unknown-symbol"),
        ("/api/v1/ai/history/NOSUCH", 404, "unknown-symbol"),
        ("/api/v1/ai/predictions/COIN?horizon_days=31", 422, "validation"),
    ],
)
def test_unknown_symbol_and_long_horizon_are_refused(own: Api, path: str, status: int, slug: str):
    response = own.get(path)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}")


def test_symbol_without_a_forecast_names_the_command_that_makes_one(tmp_path):
    stack = new_stack(tmp_path)
    write_bars(stack.lake_root, COIN, random_bars(1, 3))
    api = Api(stack)
    try:
        response = api.get("/api/v1/ai/predictions/COIN")
        assert response.json()["type"] == "/problems/no-forecast"
        assert "./run.sh train signal" in response.json()["detail"]
    finally:
        api.stop()
