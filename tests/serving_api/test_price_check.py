"""A price is judged before it is sent: by the statistics of its series, or by nothing when it has no past."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from scripts.bench.api_lake import write
from tests.conftest import Broker, headers_of
from tests.serving_api.conftest import NOW, Api, stack_on

PATH = "/api/validation/price/check"
PRICE = {"market_id": "PASAR-001", "commodity": "Bawang Merah", "price": 35500}
YESTERDAY = NOW.date() - timedelta(days=1)


def series(**more: Any) -> dict[str, Any]:
    """A row of gold.series_stats: shallots at PASAR-001, quiet around 35,500 rupiah for 60 days; another source agrees."""
    quiet = {
        "commodity": "bawang-merah", "channel": "retail", "provider": "market", "market_id": "PASAR-001", "region_code": "32",
        "level": "market", "as_of": NOW.date(), "n": 60, "mean_idr": 35_500.0, "sd_idr": 400.0, "q1_idr": 35_200.0,
        "q3_idr": 35_800.0, "median_idr": 35_500.0, "mad_idr": 300.0, "last_log": 10.477, "last_day": YESTERDAY,
        "change_day": YESTERDAY, "level_7": 10.477, "average_28": 10.477, "own_scale": 0.01, "residual_scale": 0.02,
        "gap_median": 0.0, "gap_scale": 0.02, "national_move": 0.0, "national_level": 10.477, "national_median_idr": 35_500.0,
        "peers": 20, "peers_moved": 0.8, "regime_candidate": False, "thresholds": "t",
        "sources": [{"name": "panel_harga", "price_idr": 35_400.0, "expected_price_idr": 35_500.0, "event_time": NOW}],
    }  # fmt: skip
    return quiet | more


@pytest.fixture(scope="module")
def judge(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    stack = stack_on(broker, tmp_path_factory.mktemp("judge"))
    write(stack.lake_root, "gold.series_stats", [series(), series(market_id="PASAR-002", mean_idr=20_000.0)])
    running = Api(stack)
    yield running
    running.stop()


def check(api: Api, role: str | None = None, **fields: Any) -> Any:
    return api.post(PATH, orjson.dumps({**PRICE, **fields}), role)


def test_a_usual_price_passes_and_nothing_is_sent(judge: Api, broker: Broker) -> None:
    since = broker.ends()
    answer = check(judge)
    told = answer.json()
    assert answer.status_code == 200 and answer.headers["cache-control"] == "private, no-store"
    assert told["flags"] == {"zscore": False, "iqr": False, "ai": False, "multi_source_ok": True}
    assert (told["quarantined"], told["dry_run"], told["event_id"]) == (False, True, None)
    assert told["policies"] == {"seed": False, "calibrated": False}
    assert told["sources"] == [{"name": "panel_harga", "price_idr": 35400.0, "event_time": f"{NOW:%Y-%m-%dT%H:%M:%SZ}"}]
    assert told["meta"]["delta_version"] == {"gold.series_stats": 0}
    assert told["meta"]["as_of"] == f"{YESTERDAY}T00:00:00Z"
    assert not broker.records(since, "lumbung.price", 0, 1)


def test_a_zero_too_many_is_flagged_with_its_reasons(judge: Api) -> None:
    told = check(judge, price=355_000).json()
    assert told["flags"]["zscore"] and told["flags"]["iqr"] and told["quarantined"]
    assert told["policies"] == {"seed": True, "calibrated": True}
    errors = [reason for reason in told["reasons"] if reason["severity"] == "error"]
    assert errors and all(reason["message"] for reason in told["reasons"])


def test_a_series_without_a_past_is_judged_by_nothing(judge: Api) -> None:
    for fields in ({"commodity": "garam", "price": 11_500}, {"market_id": "PASAR-NEW", "region": "Jawa Barat"}):
        told = check(judge, **fields).json()
        assert told["flags"] == {"zscore": False, "iqr": False, "ai": False, "multi_source_ok": True}, told
        assert told["sources"] == [] and told["quarantined"] is False


def test_with_a_token_the_price_is_sent_too(judge: Api, broker: Broker) -> None:
    since = broker.ends()
    body = orjson.dumps({**PRICE, "price": 355_000, "event_id": "checked-1", "event_time": NOW.isoformat()})
    told = judge.post(PATH, body, "device").json()
    assert (told["dry_run"], told["event_id"], told["quarantined"]) == (False, "checked-1", True)
    (record,) = broker.records(since, "lumbung.price", 1)
    assert record.value() == body and headers_of(record)["source"] == "api:device"
    assert judge.get("/api/v1/events/checked-1", "operator").json()["status"] == "pending"
    assert check(judge, "operator").json()["event_id"].startswith("u-")
    assert check(judge, "user").json()["dry_run"] is True, "who may not send may still ask"


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
def test_rules_beyond_statistics_quarantine_under_every_policy(judge: Api, fields: dict[str, Any], rule: str) -> None:
    told = check(judge, **fields).json()
    assert rule in [reason["rule"] for reason in told["reasons"]], told
    assert told["quarantined"] and told["policies"] == {"seed": True, "calibrated": True}


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
def test_prices_that_are_none(judge: Api, broker: Broker, body: bytes, status: int, code: str) -> None:
    since = broker.ends()
    answer = judge.post(PATH, body, "operator")
    assert answer.status_code == status and code in [error["code"] for error in answer.json()["errors"]], answer.text
    assert not broker.records(since, "lumbung.price", 0, 0.5)


def test_who_is_refused(judge: Api) -> None:
    assert judge.post(PATH, b"{}", None, "text/csv").status_code == 415
    forged = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    assert judge.ask("POST", PATH, content=orjson.dumps(PRICE), headers=forged).json()["type"] == "/problems/token-invalid"
    assert judge.get(PATH).status_code == 405
