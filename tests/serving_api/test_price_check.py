"""A price is checked by the statistics of its series, and sent as an event if the token may send."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from scripts.bench.api_lake import write
from tests.conftest import Broker, headers_of
from tests.support.api import Api, new_stack
from tests.support.served_lake import NOW

PATH = "/api/validation/price/check"
PRICE = {"market_id": "PASAR-001", "commodity": "Bawang Merah", "price": 35500}
YESTERDAY = NOW.date() - timedelta(days=1)


def series(**more: Any) -> dict[str, Any]:
    """A row of gold.series_stats: shallots at PASAR-001, stable at 35,500 rupiah, as in another source."""
    quiet = {
        "commodity": "bawang-merah",
        "channel": "retail",
        "provider": "market",
        "market_id": "PASAR-001",
        "region_code": "32",
        "level": "market",
        "as_of": NOW.date(),
        "n": 60,
        "mean_idr": 35_500.0,
        "sd_idr": 400.0,
        "q1_idr": 35_200.0,
        "q3_idr": 35_800.0,
        "median_idr": 35_500.0,
        "mad_idr": 300.0,
        "last_log": 10.477,
        "last_day": YESTERDAY,
        "change_day": YESTERDAY,
        "level_7": 10.477,
        "average_28": 10.477,
        "own_scale": 0.01,
        "residual_scale": 0.02,
        "gap_median": 0.0,
        "gap_scale": 0.02,
        "national_move": 0.0,
        "national_level": 10.477,
        "national_median_idr": 35_500.0,
        "peers": 20,
        "peers_moved": 0.8,
        "regime_candidate": False,
        "thresholds": "t",
        "sources": [
            {"name": "panel_harga", "price_idr": 35_400.0, "expected_price_idr": 35_500.0, "event_time": NOW}
        ],
    }
    return quiet | more


@pytest.fixture(scope="module")
def checker(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    stack = new_stack(tmp_path_factory.mktemp("judge"), broker)
    write(stack.lake_root, "gold.series_stats", [series(), series(market_id="PASAR-002", mean_idr=20_000.0)])
    running = Api(stack)
    yield running
    running.stop()


def check(api: Api, role: str | None = None, **fields: Any) -> Any:
    return api.post(PATH, orjson.dumps({**PRICE, **fields}), role)


def test_normal_price_passes_and_nothing_is_sent(checker: Api, broker: Broker) -> None:
    since = broker.ends()
    response = check(checker)
    result = response.json()
    assert response.status_code == 200 and response.headers["cache-control"] == "private, no-store"
    assert result["flags"] == {"zscore": False, "iqr": False, "ai": False, "multi_source_ok": True}
    assert (result["quarantined"], result["dry_run"], result["event_id"]) == (False, True, None)
    assert result["policies"] == {"seed": False, "calibrated": False}
    assert result["sources"] == [
        {"name": "panel_harga", "price_idr": 35400.0, "event_time": f"{NOW:%Y-%m-%dT%H:%M:%SZ}"}
    ]
    assert result["meta"]["delta_version"] == {"gold.series_stats": 0}
    assert result["meta"]["as_of"] == f"{YESTERDAY}T00:00:00Z"
    assert not broker.records(since, "lumbung.price", 0)


def test_price_with_an_extra_zero_is_flagged_with_reasons(checker: Api) -> None:
    result = check(checker, price=355_000).json()
    assert result["flags"]["zscore"] and result["flags"]["iqr"] and result["quarantined"]
    assert result["policies"] == {"seed": True, "calibrated": True}
    errors = [reason for reason in result["reasons"] if reason["severity"] == "error"]
    assert errors and all(reason["message"] for reason in result["reasons"])


def test_series_without_a_past_raises_no_flag(checker: Api) -> None:
    for fields in (
        {"commodity": "garam", "price": 11_500},
        {"market_id": "PASAR-NEW", "region": "Jawa Barat"},
    ):
        result = check(checker, **fields).json()
        assert result["flags"] == {"zscore": False, "iqr": False, "ai": False, "multi_source_ok": True}, (
            result
        )
        assert result["sources"] == [] and result["quarantined"] is False


def test_price_is_sent_when_the_token_may_send(checker: Api, broker: Broker) -> None:
    since = broker.ends()
    body = orjson.dumps({**PRICE, "price": 355_000, "event_id": "checked-1", "event_time": NOW.isoformat()})
    result = checker.post(PATH, body, "device").json()
    assert (result["dry_run"], result["event_id"], result["quarantined"]) == (False, "checked-1", True)
    (record,) = broker.records(since, "lumbung.price", 1)
    assert record.value() == body and headers_of(record)["source"] == "api:device"
    assert checker.get("/api/v1/events/checked-1", "operator").json()["status"] == "pending"
    assert check(checker, "operator").json()["event_id"].startswith("u-")
    assert check(checker, "user").json()["dry_run"] is True, "a user may check and not send"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"unit": "liter"}, "unit_fits"),
        ({"region": "Bali"}, "region_agrees"),
        ({"event_time": (NOW + timedelta(days=1)).isoformat()}, "event_time_future"),
        ({"event_time": (NOW - timedelta(days=500)).isoformat()}, "event_time_old"),
        ({"price": 9_000_000}, "price_in_band"),
    ],
)
def test_violated_row_rule_quarantines_under_every_policy(
    checker: Api, fields: dict[str, Any], rule: str
) -> None:
    result = check(checker, **fields).json()
    assert rule in [reason["rule"] for reason in result["reasons"]], result
    assert result["quarantined"] and result["policies"] == {"seed": True, "calibrated": True}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"price", 400, "payload_json"),
        (b"[]", 422, "payload_json"),
        (orjson.dumps({**PRICE, "price": 0}), 422, "price_positive"),
        (orjson.dumps({**PRICE, "price": "35500"}), 422, "field_type"),
        (orjson.dumps({**PRICE, "price": True}), 422, "field_type"),
        (b'{"market_id":"PASAR-001","commodity":"garam","price":1e400}', 422, "number_finite"),
        (orjson.dumps({"commodity": "garam", "price": 1}), 422, "market_required"),
        (orjson.dumps({**PRICE, "channel": "retail"}), 422, "field_unknown"),
        (orjson.dumps({**PRICE, "commodity": "unobtainium"}), 422, "unknown_commodity"),
        (orjson.dumps({**PRICE, "region": "Atlantis"}), 422, "unknown_region"),
        (orjson.dumps({**PRICE, "unit": "stone"}), 422, "unknown_unit"),
        (orjson.dumps({**PRICE, "market_id": "NOWHERE"}), 422, "unknown_market"),
    ],
)
def test_invalid_price_is_refused(checker: Api, broker: Broker, body: bytes, status: int, code: str) -> None:
    since = broker.ends()
    response = checker.post(PATH, body, "operator")
    assert response.status_code == status and code in [
        error["code"] for error in response.json()["errors"]
    ], response.text
    assert not broker.records(since, "lumbung.price", 0)


def test_wrong_media_type_token_and_method_are_refused(checker: Api) -> None:
    assert checker.post(PATH, b"{}", None, "text/csv").status_code == 415
    forged = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    assert (
        checker.request("POST", PATH, content=orjson.dumps(PRICE), headers=forged).json()["type"]
        == "/problems/token-invalid"
    )
    assert checker.get(PATH).status_code == 405


def test_price_of_a_day_that_the_statistics_include_has_figures(checker: Api) -> None:
    """The day of the newest price, and one before it."""
    for day in (series()["last_day"], series()["last_day"] - timedelta(days=1)):
        reasons = check(checker, price=355_000, event_time=f"{day}T05:00:00Z").json()["reasons"]
        moved = [reason["message"] for reason in reasons if reason["rule"] == "outlier_residual"]
        assert len(moved) == 1 and "null" not in str(reasons)
