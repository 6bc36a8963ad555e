"""What a person who decides sees: subject, figures of reasons, neighbours, and who else looks at a row."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from scripts.bench.api_lake import write
from serving_api.writes import holds
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.served_lake import quarantined

PATH = "/api/v1/quarantine"
RESIDUAL = "price 4500 moved 31.2 times as far as usual from 45000, the national move taken out (limit 8)"
EVIDENCE = {
    "price_idr": 4500.0,
    "market_date": "2026-11-20",
    "statistics": {"last_price_idr": 45000.0, "score_r": 31.2},
    "neighbours": [
        {"market_id": "PASAR-005", "price_idr": 46000.0, "market_date": "2026-11-19"},
        {"market_id": "KIOS-9", "price_idr": 44000.0, "market_date": "2026-11-19"},
    ],
    "sources": [],
    "limits": {"score_r": 8.0},
}
READING = {"metric": "temperature_c", "temperature_c": 75.0, "event_time": "2026-11-20T18:30:00Z"}
ROWS = [
    quarantined(
        0,
        event_id="moved",
        commodity="Bawang_Merah",
        reasons=[{"rule": "outlier_residual", "severity": "error", "message": RESIDUAL}],
        evidence=orjson.dumps(EVIDENCE).decode(),
        payload=b'{"market_id":"PASAR-001","commodity":"Bawang_Merah","price":4500}',
    ),
    quarantined(
        1,
        event_id="hot",
        kind="sensor",
        commodity=None,
        reasons=[
            {
                "rule": "temperature_range",
                "severity": "error",
                "message": "temperature 75 °C lies outside -20 to 60",
            }
        ],
        payload=orjson.dumps(READING),
    ),
    quarantined(2, event_id="bytes", market_id=None, commodity=None, payload=b"\xff\xfe{"),
    quarantined(3, event_id="odd", market_id="KIOS-9", commodity="batu", payload=b'{"price":"5","unit":7}'),
    quarantined(4, event_id="closed", state="rejected"),
    *(quarantined(number, event_id=f"free-{number}") for number in (5, 6)),
]


@pytest.fixture(scope="module")
def desk(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API over these rows."""
    stack = new_stack(tmp_path_factory.mktemp("queue"), broker)
    write(stack.lake_root, "silver.quarantine", ROWS)
    running = Api(stack)
    yield running
    running.stop()


def listed(api: Api) -> dict[str, dict[str, Any]]:
    items = api.get(f"{PATH}?from=2000-01-01", "operator").json()["items"]
    return {item["event_id"]: item for item in items}


def hold(api: Api, event_id: str, role: str | None = "operator") -> Any:
    return api.post(f"{PATH}/{event_id}/hold", b"{}", role)


def test_subject_names_what_the_event_is_about(desk: Api) -> None:
    items = listed(desk)
    assert items["moved"]["subject"] == {
        "commodity": "bawang-merah",
        "commodity_name": "Bawang Merah",
        "market_name": "Pasar Caringin",
        "region": "Jawa Barat",
        "market_date": "2026-11-20",
        "value": 4500,
        "last_value": 45000.0,
        "unit": "kg",
    }
    assert items["hot"]["subject"]["market_date"] == "2026-11-21", "the day in the market's own time zone"
    assert items["hot"]["subject"]["value"] is None
    assert items["bytes"]["subject"] is None
    odd = items["odd"]["subject"]
    assert (odd["commodity"], odd["market_name"], odd["value"], odd["unit"]) == (None, "KIOS-9", None, None)
    detail = desk.get(f"{PATH}/moved", "operator").json()
    assert detail["subject"] == items["moved"]["subject"]


def test_reasons_carry_their_figures_and_limits(desk: Api) -> None:
    items = listed(desk)
    (moved,) = items["moved"]["reasons"]
    assert moved["values"] == {
        "price_idr": 4500.0,
        "score_r": 31.2,
        "last_price_idr": 45000.0,
        "residual": 8.0,
    }
    (out_of_range,) = items["hot"]["reasons"]
    assert out_of_range["values"] == {"temperature_c": 75.0, "min": -20.0, "max": 60.0}
    (plain,) = items["free-5"]["reasons"]
    assert plain["values"] == {"price": -5.0, "above": 0.0}
    indonesian = desk.get(f"{PATH}/moved", "operator", headers={"Accept-Language": "id"}).json()["reasons"]
    assert indonesian[0]["values"] == moved["values"] and "bergerak" in indonesian[0]["message"]


def test_neighbours_have_names_and_evidence_its_limits(desk: Api) -> None:
    evidence = desk.get(f"{PATH}/moved", "operator").json()["evidence"]
    names = [(near["market_name"], near["region"]) for near in evidence["neighbours"]]
    assert names == [("Pasar Keputran", "Jawa Timur"), ("KIOS-9", None)]
    assert evidence["limits"] == {"score_r": 8.0}


def test_hold_is_known_to_others_and_renewed_by_the_same_person(desk: Api) -> None:
    first = hold(desk, "free-5")
    assert first.status_code == 200 and first.json()["held_by"] == "operator"
    assert hold(desk, "free-5").json()["until"] >= first.json()["until"]
    other = hold(desk, "free-5", "central")
    problem = other.json()
    assert (other.status_code, problem["type"]) == (409, "/problems/held")
    assert problem["held_by"] == "operator" and problem["until"] >= first.json()["until"]
    assert hold(desk, "free-6", "central").status_code == 200


def test_hold_ends_by_itself(desk: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "HOLD_SECONDS", 0)
    assert hold(desk, "odd").status_code == 200
    assert hold(desk, "odd", "central").json()["held_by"] == "central"


def test_hold_needs_an_open_row_and_an_operator(desk: Api) -> None:
    assert [hold(desk, "moved", role).status_code for role in (None, "user", "device")] == [401, 403, 403]
    assert hold(desk, "none").status_code == 404
    assert hold(desk, "closed").json()["type"] == "/problems/already-decided"
    assert desk.post(f"{PATH}/moved/hold", b'{"seconds": 5}').status_code == 422


def test_hold_does_not_stop_the_decision_of_somebody_else(desk: Api) -> None:
    assert hold(desk, "bytes").status_code == 200
    body = b'{"decision": "reject", "reason": "not what was sent"}'
    assert desk.post(f"{PATH}/bytes/decision", body, "central").status_code == 202
    assert hold(desk, "bytes").status_code == 409
