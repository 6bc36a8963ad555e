"""Times at the ends of the calendar are refused: in another time zone they have no date."""

import orjson
import pytest

from tests.support.api import Api

TIMES = (
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01",
    "9999-12-31",
)
EVENT = {"market_id": "PASAR-001", "commodity": "garam", "price": 11500}


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("path", ["/ingest", "/api/v1/ingest/price", "/api/validation/price/check"])
def test_event_at_an_end_of_the_calendar_is_a_problem(api: Api, path: str, time: str) -> None:
    response = api.post(path, orjson.dumps(EVENT | {"event_time": time}))
    assert response.status_code == 422, response.text
    assert [fault["code"] for fault in response.json()["errors"]] == ["event_time_format"]


@pytest.mark.parametrize("time", TIMES)
def test_other_addresses_survive_the_ends_of_the_calendar(api: Api, time: str) -> None:
    observations = [{"date": time[:10], "price_idr": 1}, {"date": "2024-01-01", "price_idr": 1}]
    body = orjson.dumps({"commodity": "garam", "observations": observations})
    assert api.post("/api/v1/predict/anomaly", body).status_code in (200, 422)
    for path in ("commodity/price/history?commodity=garam&", "commodity/price/history?commodity=cabai&"):
        for bound in ("from", "to"):
            assert api.get(f"/api/public/{path}{bound}={time}").status_code in (200, 422)
