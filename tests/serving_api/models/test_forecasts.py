"""What the tables hold of the coming days is what is answered; what they do not hold is said clearly."""

import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from scripts.bench.api_lake import write
from tests.serving_api.conftest import NOW, Api
from tests.serving_api.forecast_lake import GOOD, ISSUED, ORIGIN, issue
from tests.serving_api.models.conftest import started

PUBLIC = "/api/public/forecast"
PREDICT = "/api/v1/predict/price"
BATCH = "/api/v1/predict/batch"


def ask(api: Api, path: str, **body: Any) -> Any:
    return api.post(path, orjson.dumps(body), None)


def problem(answer: Any, status: int, slug: str) -> str:
    """The detail of a problem that must be this one."""
    told = answer.json()
    assert (answer.status_code, told["type"]) == (status, f"/problems/{slug}"), answer.text
    return str(told["detail"])


def test_the_champion_of_the_newest_issue_is_served(models: Api) -> None:
    answer = models.get(f"{PUBLIC}?commodity={GOOD}&region=Jawa Barat")
    told = answer.json()
    assert answer.status_code == 200 and answer.headers["cache-control"].startswith("public")
    assert {name: told[name] for name in ("commodity", "region", "unit", "horizon_days", "interval_level")} == {
        "commodity": GOOD, "region": "Jawa Barat", "unit": "kg", "horizon_days": 7, "interval_level": 0.8,
    }  # fmt: skip
    dates = [f"{ORIGIN + timedelta(days=day)}" for day in range(1, 8)]
    assert [day["date"] for day in told["forecast"]] == dates
    day = told["forecast"][0]
    assert day == {"date": dates[0], "price_idr": 40_000.0, "lower_idr": 36_363.64, "upper_idr": 44_000.0}
    assert told["confidence"] == 0.83, "the last day's, the least"
    assert told["meta"]["model"] == {
        "name": "ensemble", "version": "3", "run_id": "run-new", "alias": "champion",
        "trained_on": {"gold.daily_prices": 17}, "reason": "ensemble was judged",
    }  # fmt: skip
    assert told["meta"]["delta_version"] == {"gold.forecasts": 0}
    assert told["meta"]["as_of"] == f"{ISSUED:%Y-%m-%dT%H:%M:%SZ}"


def test_a_group_the_nation_and_the_other_address(models: Api) -> None:
    nation = models.get(f"{PUBLIC}?commodity=Cabai").json()
    assert (nation["commodity"], nation["region"]) == (GOOD, "Indonesia")
    assert nation["meta"]["model"]["name"] == "naive" and nation["meta"]["model"]["run_id"] == "none"
    for path in ("/api/forecast/cabai", "/api/forecast/cabai?region=Indonesia", f"{PUBLIC}?commodity=cabai&region=ID"):
        again = models.get(path).json()
        assert {**again, "meta": None} == {**nation, "meta": None}, path
    moved = models.get("/forecast?commodity=cabai&region=32")
    assert (moved.status_code, moved.headers["location"]) == (308, f"{PUBLIC}?commodity=cabai&region=32")


def test_an_answer_that_stands_is_not_sent_again(models: Api) -> None:
    first = models.get(f"{PUBLIC}?commodity=cabai")
    again = models.get(f"{PUBLIC}?commodity=cabai", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_confidence_stands_beside_what_was_measured(models: Api) -> None:
    told = models.get(f"/api/forecast/confidence?commodity={GOOD}&region=32").json()
    figures = {name: told[name] for name in ("confidence", "interval_level", "coverage", "wape_pct", "origins")}
    assert figures == {"confidence": 0.83, "interval_level": 0.8, "coverage": 0.81, "wape_pct": 7.5, "origins": 52}
    assert told["meta"]["delta_version"].keys() == {"gold.forecasts", "gold.model_accuracy"}
    unmeasured = models.get("/api/forecast/confidence?commodity=bawang-merah&region=32").json()
    assert [unmeasured[name] for name in ("coverage", "wape_pct", "origins")] == [None, None, 0]


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        (f"{PUBLIC}?commodity=unobtainium", 404, "unknown-commodity"),
        (f"{PUBLIC}?commodity=garam&region=Atlantis", 404, "unknown-region"),
        (PUBLIC, 422, "validation"),
        (f"{PUBLIC}?commodity=garam&horizon=9", 422, "validation"),
        ("/api/forecast/confidence", 422, "validation"),
        ("/api/forecast/confidence?commodity=beras-premium", 404, "no-forecast"),
        ("/api/forecast/unobtainium", 404, "unknown-commodity"),
        ("/api/forecast/garam?region=Atlantis", 404, "unknown-region"),
        ("/api/forecast/garam?region=32&limit=3", 422, "validation"),
    ],
)
def test_forecasts_that_are_none(models: Api, path: str, status: int, slug: str) -> None:
    problem(models.get(path), status, slug)


def test_why_there_is_no_forecast(models: Api, bare: Api) -> None:
    assert "too old" in problem(models.get(f"{PUBLIC}?commodity=garam&region=32"), 404, "no-forecast")
    assert "no model has been run" in problem(bare.get(f"{PUBLIC}?commodity=garam"), 404, "no-forecast")
    assert bare.get("/health").json()["services"]["models"] == "off"
    assert models.get("/health").json()["services"]["models"] == "ok"


def test_a_prediction_takes_options(models: Api) -> None:
    told = ask(models, f"{PREDICT}/{GOOD}", market_id="PASAR-001", horizon_days=10, interval_level=0.95).json()
    assert (told["region"], told["horizon_days"], len(told["predictions"])) == ("Jawa Barat", 10, 10)
    assert told["confidence"] == told["predictions"][-1]["confidence"] == 0.8
    assert (told["predictions"][0]["lower_idr"], told["predictions"][0]["upper_idr"]) == (33_333.33, 48_000.0)
    lstm = ask(models, f"{PREDICT}/{GOOD}", region="32", horizon_days=2, model="lstm").json()
    assert lstm["predictions"][0]["price_idr"] == 42_000.0
    assert (lstm["meta"]["model"]["name"], lstm["meta"]["model"]["alias"]) == ("lstm", "candidate")


def test_intervals_widen_with_their_level(models: Api) -> None:
    widths = []
    for level in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        day = ask(models, f"{PREDICT}/{GOOD}", region="32", interval_level=level).json()["predictions"][0]
        assert day["lower_idr"] < day["price_idr"] < day["upper_idr"]
        widths.append(day["upper_idr"] - day["lower_idr"])
    assert widths == sorted(widths) and len(set(widths)) == len(widths)


def test_the_same_question_is_remembered_until_the_table_moves(tmp_path: Path) -> None:
    api = started(tmp_path)
    try:
        assert [ask(api, f"{PREDICT}/{GOOD}", region="32").json()["cached"] for _ in range(2)] == [False, True]
        before = api.get("/api/v1/stats").json()
        assert before["predictions_total"] == 2 and before["cache_hit_ratio"] == 0.5
        write(api.stack.lake_root, "gold.forecasts", issue("naive", price_idr=50_000.0, issued_at=NOW, champion=True))
        end = time.monotonic() + 10
        while (told := ask(api, f"{PREDICT}/{GOOD}", region="32").json())["predictions"][0]["price_idr"] != 50_000.0:
            assert time.monotonic() < end, "the new issue is not served"
            time.sleep(0.05)
        assert told["meta"]["delta_version"] == {"gold.forecasts": 1} and told["meta"]["model"]["name"] == "naive"
        shutil.rmtree(Path(api.stack.lake_root) / "gold" / "forecasts")
        while ask(api, f"{PREDICT}/{GOOD}").status_code != 404:
            assert time.monotonic() < end, "a table that is gone is still served"
            time.sleep(0.05)
    finally:
        api.stop()


@pytest.mark.parametrize(
    ("commodity", "body", "status", "slug"),
    [
        (GOOD, {"region": "32", "horizon_days": 11}, 404, "no-forecast"),
        (GOOD, {"region": "32", "model": "prophet"}, 503, "model-unavailable"),
        (GOOD, {"region": "Bali", "model": "prophet"}, 404, "no-forecast"),
        ("unobtainium", {}, 404, "unknown-commodity"),
        *((GOOD, {"horizon_days": days}, 422, "validation") for days in (0, 31, 7.0, "7", True, None)),
        *((GOOD, {"interval_level": level}, 422, "validation") for level in (0.49, 1.0, "0.8")),
        (GOOD, {"model": "oracle"}, 422, "validation"),
        (GOOD, {"horizont": 7}, 422, "validation"),
        (GOOD, {"region": "Atlantis"}, 422, "validation"),
        (GOOD, {"market_id": "NOWHERE"}, 422, "validation"),
        (GOOD, {"market_id": "PASAR-001", "region": "Bali"}, 422, "validation"),
        ("unobtainium", {"region": "Atlantis"}, 422, "validation"),
    ],
)
def test_predictions_that_are_none(models: Api, commodity: str, body: dict[str, Any], status: int, slug: str) -> None:
    answer = ask(models, f"{PREDICT}/{commodity}", **body)
    problem(answer, status, slug)
    assert ("retry-after" in answer.headers) == (status == 503)


def test_bodies_that_are_none(models: Api) -> None:
    problem(models.post(f"{PREDICT}/{GOOD}", b"{", None), 400, "malformed-body")
    problem(models.post(f"{PREDICT}/{GOOD}", b"[]", None), 422, "validation")
    problem(models.post(f"{PREDICT}/{GOOD}", b"{}", None, "text/csv"), 415, "unsupported-media-type")
    problem(models.post(f"{PREDICT}/{GOOD}", b'{"a":"' + b"x" * 70_000 + b'"}', None), 413, "payload-too-large")
    problem(models.get(f"{PREDICT}/{GOOD}"), 405, "method-not-allowed")
    forged = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    problem(models.ask("POST", f"{PREDICT}/{GOOD}", content=b"{}", headers=forged), 401, "token-invalid")


MEMBERS = (
    {"commodity": GOOD, "region": "32"},
    {"commodity": "unobtainium"},
    {"commodity": "cabai", "horizon_days": 3},
    {"commodity": GOOD, "region": "Atlantis"},
    {"commodity": GOOD, "horizon_days": 31},
    {"commodity": "garam", "region": "32"},
    {"region": "32"},
    7,
)


def test_a_bad_member_does_not_fail_the_rest(models: Api) -> None:
    told = ask(models, BATCH, requests=MEMBERS).json()
    assert [one["index"] for one in told["results"]] == list(range(8))
    assert [one["ok"] for one in told["results"]] == [True, False, True, False, False, False, False, False]
    assert (told["succeeded"], told["failed"], told["meta"]["model"]) == (2, 6, None), "two models spoke"
    slugs = [one["problem"] and one["problem"]["type"].rsplit("/", 1)[1] for one in told["results"]]
    assert slugs == [
        None, "unknown-commodity", None, "validation", "validation", "no-forecast", "validation", "validation",
    ]  # fmt: skip
    one = ask(models, BATCH, requests=MEMBERS[:1]).json()
    assert one["meta"]["model"]["name"] == "ensemble"


def test_members_are_answered_as_they_would_be_alone(models: Api) -> None:
    results = ask(models, BATCH, requests=MEMBERS[:6]).json()["results"]
    for member, result in zip(MEMBERS[:6], results, strict=True):
        alone = ask(models, f"{PREDICT}/{member['commodity']}", **{k: v for k, v in member.items() if k != "commodity"})
        told = alone.json()
        if result["ok"]:
            assert {**told, "meta": 0, "cached": 0} == {**result["prediction"], "meta": 0, "cached": 0}
        else:
            assert (told["type"], told["status"]) == (result["problem"]["type"], result["problem"]["status"])


@pytest.mark.parametrize("body", [{}, {"requests": []}, {"requests": [{"commodity": GOOD}] * 101}, {"requests": {}}])
def test_batches_that_are_none(models: Api, body: dict[str, Any]) -> None:
    problem(ask(models, BATCH, **body), 422, "validation")
