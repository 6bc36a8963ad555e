"""Messages of problems name what is wrong, what is allowed, and what to do next, in both languages."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import Broker
from tests.support.api import Api, new_stack

PRICES = "/api/public/commodity/price"
INDONESIAN = {"Accept-Language": "id"}


@pytest.mark.parametrize(
    ("path", "role", "english", "indonesian"),
    [
        ("/api/v1/events/none-1", "operator", "There is no event 'none-1'.", "Tidak ada peristiwa 'none-1'."),
        (
            "/api/v1/quarantine/none-1",
            "operator",
            "There is no quarantined event 'none-1'.",
            "Tidak ada peristiwa 'none-1' di karantina.",
        ),
        (
            "/api/v1/quarantine/none-1/decisions",
            "operator",
            "There is no quarantined event 'none-1'.",
            "Tidak ada peristiwa 'none-1' di karantina.",
        ),
        (
            "/api/v1/models/jobs/none-1",
            "central",
            "There is no training job 'none-1'.",
            "Tidak ada pelatihan 'none-1'.",
        ),
        (
            "/api/v1/none-1",
            None,
            "Nothing was found at this address.",
            "Tidak ada yang ditemukan di alamat ini.",
        ),
    ],
)
def test_unknown_object_is_named(
    api: Api, path: str, role: str | None, english: str, indonesian: str
) -> None:
    for headers, detail in (({}, english), (INDONESIAN, indonesian)):
        problem = api.get(path, role, headers=headers).json()
        assert (problem["type"], problem["detail"]) == ("/problems/not-found", detail)


def test_unknown_name_offers_the_nearest(api: Api) -> None:
    commodity = api.get(f"{PRICES}/history?commodity=bras-medium").json()
    assert commodity["type"] == "/problems/unknown-commodity"
    assert commodity["nearest"][0] == "beras-medium" and "beras-medium" in commodity["detail"]
    assert "/api/v1/supported" in commodity["detail"]
    region = api.get(f"{PRICES}/live?commodity=garam&region=Jawa Brat", headers=INDONESIAN).json()
    assert region["nearest"][0] == "Jawa Barat" and "Jawa Barat" in region["detail"]
    assert "/api/v1/supported" in region["detail"]
    far = api.get(f"{PRICES}/history?commodity=xqzwv").json()
    assert far["nearest"] == [] and "/api/v1/supported" in far["detail"]


@pytest.mark.parametrize(
    ("path", "english", "indonesian"),
    [
        (f"{PRICES}/live", "give commodity, region or both", "beri commodity, region, atau keduanya"),
        (
            "/api/public/market/list?regoin=32",
            "there is no parameter 'regoin' here",
            "tidak ada parameter 'regoin' di sini",
        ),
        (f"{PRICES}/history", "commodity is missing", "commodity tidak ada"),
        ("/api/public/market/list?limit=0", "limit must be at least 1", "limit harus paling sedikit 1"),
        (
            "/api/public/market/list?limit=2000",
            "limit must be at most 1000",
            "limit harus paling banyak 1000",
        ),
        ("/api/public/market/list?limit=all", "limit must be a whole number", "limit harus bilangan bulat"),
        (
            f"{PRICES}/history?commodity=garam&format=xml",
            "'json', 'csv' or 'xlsx'",
            "'json', 'csv' or 'xlsx'",
        ),
        (
            f"{PRICES}/live?commodity=",
            "commodity must have at least 1",
            "commodity harus memiliki paling sedikit 1",
        ),
    ],
)
def test_faults_of_a_query_are_in_our_own_words(api: Api, path: str, english: str, indonesian: str) -> None:
    for headers, text in (({}, english), (INDONESIAN, indonesian)):
        problem = api.get(path, headers=headers).json()
        assert text in problem["detail"] and text in problem["errors"][0]["message"]
        assert "Value error" not in problem["detail"]


def test_faults_of_a_body_are_in_our_own_words(api: Api) -> None:
    body = {"models": ["oracle"], "reason": "x", "extra": 1}
    response = api.post("/api/v1/models/retrain", orjson.dumps(body), "central")
    messages = {error["pointer"]: error["message"] for error in response.json()["errors"]}
    assert messages["/extra"] == "unknown field 'extra'"
    assert messages["/reason"] == "reason must have at least 3 characters"
    assert messages["/models/0"].startswith("models/0 must be 'prophet', 'lstm'")


def test_forbidden_names_the_least_role_that_may_send(api: Api) -> None:
    response = api.post("/ingest", b'{"market_id": "PASAR-001", "commodity": "garam", "price": 1}', "user")
    assert response.status_code == 403 and "device" in response.json()["detail"]


def test_problem_of_a_batch_member_has_a_detail(api: Api) -> None:
    body = orjson.dumps({"requests": [{"commodity": "bras-medium"}]})
    (result,) = api.post("/api/v1/predict/batch", body).json()["results"]
    assert "bras-medium" in result["problem"]["detail"] and "beras-medium" in result["problem"]["detail"]


@pytest.mark.parametrize(
    ("path", "status", "problem"),
    [
        ("/api/v1/models/accuracy?model=nosuch", 404, "no-model"),
        ("/api/v1/models/accuracy?model=naive", 200, None),
        ("/api/v1/models/accuracy?model=prophet", 200, None),
        ("/api/v1/data-quality?rule=nosuch", 404, "unknown-rule"),
        ("/api/v1/data-quality?rule=price_positive", 200, None),
        (f"{PRICES}/history?commodity=garam&market_id=PASAR-001&region=Papua", 422, "validation"),
        (f"{PRICES}/history?commodity=garam&market_id=PASAR-001&region=Papua&format=csv", 422, "validation"),
        (f"{PRICES}/history?commodity=garam&market_id=PASAR-001&region=32", 200, None),
        (f"{PRICES}/history?commodity=garam&market_id=PASAR-900&region=32", 200, None),
    ],
)
def test_names_that_fit_nothing_are_refused(api: Api, path: str, status: int, problem: str | None) -> None:
    response = api.get(path)
    assert response.status_code == status, response.text
    if problem:
        assert response.json()["type"] == f"/problems/{problem}"


def test_untrained_sales_model_names_the_command(broker: Broker, tmp_path: Path) -> None:
    bare = Api(new_stack(tmp_path, broker))
    try:
        product: dict[str, Any] = {"price": 300, "discount_percentage": 15, "rating": 4, "num_reviews": 100}
        body = orjson.dumps(product | {"category": "Electronics"})
        for language in ("en", "id"):
            headers = {"Content-Type": "application/json", "Accept-Language": language}
            response = bare.request("POST", "/predict/sales", content=body, headers=headers)
            assert response.status_code == 503 and response.json()["type"] == "/problems/model-unavailable"
            assert "./run.sh train sales" in response.json()["detail"]
            assert int(response.headers["retry-after"]) >= 600, "nothing changes within seconds"
    finally:
        bare.stop()


def test_csv_is_returned_to_a_caller_that_accepts_nothing_else(api: Api) -> None:
    path = f"{PRICES}/history?commodity=garam"
    for accept, expected in (("text/csv", "text/csv"), ("text/csv, application/json", "application/json")):
        response = api.get(path, headers={"Accept": accept})
        assert response.headers["content-type"].startswith(expected)
        assert "Accept" in response.headers["vary"].split(", ")
    assert api.get(path, headers={"Accept": "text/csv"}).text == api.get(f"{path}&format=csv").text
    assert api.get(f"{path}&format=json", headers={"Accept": "text/csv"}).status_code == 406
