"""Forecasts are those of the tables; a missing forecast is reported with its reason."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from conf.runtime.status_files import write_status
from lakehouse.io.process_status import TRAINING_FAULTS, status_file
from scripts.bench.api_lake import write
from serving_api.http import metrics
from serving_api.reads.forecasts import ForecastIssue, ServedForecasts, issues_of
from serving_api.reads.names import forecast_commodity
from tests.serving_api.models.conftest import start_api
from tests.support.api import Api
from tests.support.forecast_lake import COMMODITY, ISSUED, ORIGIN, issue
from tests.support.served_lake import NOW
from tests.support.waiting import eventually

PUBLIC = "/api/public/forecast"
PREDICT = "/api/v1/predict/price"
BATCH = "/api/v1/predict/batch"


def predict(api: Api, path: str, **body: Any) -> Any:
    return api.post(path, orjson.dumps(body), None)


def problem(response: Any, status: int, slug: str) -> str:
    """The detail of the response, which must be this problem."""
    result = response.json()
    assert (response.status_code, result["type"]) == (status, f"/problems/{slug}"), response.text
    return str(result["detail"])


def test_champion_of_the_newest_issue_is_served(models: Api) -> None:
    response = models.get(f"{PUBLIC}?commodity={COMMODITY}&region=Jawa Barat")
    result = response.json()
    assert response.status_code == 200 and response.headers["cache-control"].startswith("public")
    assert {
        name: result[name] for name in ("commodity", "region", "unit", "horizon_days", "interval_level")
    } == {
        "commodity": COMMODITY,
        "region": "Jawa Barat",
        "unit": "kg",
        "horizon_days": 7,
        "interval_level": 0.8,
    }
    dates = [f"{ORIGIN + timedelta(days=day)}" for day in range(1, 8)]
    assert [day["date"] for day in result["forecast"]] == dates
    day = result["forecast"][0]
    assert day == {"date": dates[0], "price_idr": 40_000.0, "lower_idr": 36_363.64, "upper_idr": 44_000.0}
    inner, outer = result["levels"]
    assert (inner["level"], outer["level"]) == (0.8, 0.95)
    assert inner["lower"] == [day["lower_idr"] for day in result["forecast"]]
    assert all(wide > narrow for wide, narrow in zip(outer["upper"], inner["upper"], strict=True))
    assert result["confidence"] == 0.83, "the last day's, the least"
    assert result["meta"]["model"] == {
        "name": "ensemble",
        "version": "3",
        "run_id": "run-new",
        "alias": "champion",
        "trained_on": {"gold.daily_prices": 17},
        "reason": "ensemble: skill +9.0% (+2.0% … +16.0%)",
    }
    assert result["meta"]["delta_version"] == {"gold.forecasts": 0}
    assert (result["origin_date"], result["issued_at"]) == (f"{ORIGIN}", f"{ISSUED:%Y-%m-%dT%H:%M:%SZ}")
    assert result["meta"]["as_of"] == f"{ORIGIN}T00:00:00Z"
    known = {"Accept-Language": "id", "If-None-Match": response.headers["etag"]}
    indonesian = models.get(f"{PUBLIC}?commodity={COMMODITY}&region=Jawa Barat", headers=known)
    assert indonesian.status_code == 200, "another language is another answer"
    reason = indonesian.json()["meta"]["model"]["reason"]
    assert reason == "ensemble: kemampuan +9.0% (+2.0% … +16.0%)"


def test_forecast_made_today_from_prices_of_2024_is_as_of_2024_and_naive_is_no_champion(
    tmp_path: Path,
) -> None:
    """No model has passed the gate: naive serves, with the version 0 of what is not registered."""
    own = start_api(tmp_path, filled=False)
    try:
        days = [
            row | {"origin_date": date(2024, 3, 20), "target_date": date(2024, 3, 20 + row["horizon_days"])}
            for row in issue("naive", champion=True, model_version="0")
        ]
        write(own.stack.lake_root, "gold.forecasts", days)
        eventually(lambda: own.get(f"{PUBLIC}?commodity={COMMODITY}&region=32").status_code != 404)
        bodies = [
            own.get(f"{PUBLIC}?commodity={COMMODITY}&region=32").json(),
            own.get(f"/api/forecast/confidence?commodity={COMMODITY}&region=32").json(),
            predict(own, f"{PREDICT}/{COMMODITY}", region="32").json(),
            predict(own, BATCH, requests=[{"commodity": COMMODITY, "region": "32"}]).json(),
        ]
        for body in bodies:
            assert body["meta"]["as_of"] == "2024-03-20T00:00:00Z"
            assert body["meta"]["model"]["alias"] == "baseline"
        for body in (*bodies[:3], bodies[3]["results"][0]["prediction"]):
            assert (body["origin_date"], body["issued_at"]) == ("2024-03-20", f"{ISSUED:%Y-%m-%dT%H:%M:%SZ}")
    finally:
        own.stop()


def test_group_nation_and_second_address_return_the_same_forecast(models: Api) -> None:
    nation = models.get(f"{PUBLIC}?commodity=Cabai").json()
    assert (nation["commodity"], nation["region"]) == (COMMODITY, "Indonesia")
    assert nation["meta"]["model"]["name"] == "naive" and nation["meta"]["model"]["run_id"] == "none"
    for path in (
        "/api/forecast/cabai",
        "/api/forecast/cabai?region=Indonesia",
        f"{PUBLIC}?commodity=cabai&region=ID",
    ):
        again = models.get(path).json()
        assert {**again, "meta": None} == {**nation, "meta": None}, path
    moved = models.get("/forecast?commodity=cabai&region=32")
    assert (moved.status_code, moved.headers["location"]) == (308, f"{PUBLIC}?commodity=cabai&region=32")


def test_unchanged_forecast_is_304(models: Api) -> None:
    first = models.get(f"{PUBLIC}?commodity=cabai")
    again = models.get(f"{PUBLIC}?commodity=cabai", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_confidence_is_returned_with_backtest_figures(models: Api) -> None:
    result = models.get(f"/api/forecast/confidence?commodity={COMMODITY}&region=32").json()
    figures = {
        name: result[name] for name in ("confidence", "interval_level", "coverage", "wape_pct", "origins")
    }
    assert figures == {
        "confidence": 0.83,
        "interval_level": 0.8,
        "coverage": 0.81,
        "wape_pct": 7.5,
        "origins": 52,
    }
    assert result["meta"]["delta_version"].keys() == {"gold.forecasts", "gold.model_accuracy"}
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
def test_invalid_forecast_query_is_refused(models: Api, path: str, status: int, slug: str) -> None:
    problem(models.get(path), status, slug)


def test_missing_forecast_has_a_reason(models: Api, bare: Api) -> None:
    assert "too old" in problem(models.get(f"{PUBLIC}?commodity=garam&region=32"), 404, "no-forecast")
    assert "no model has been run" in problem(bare.get(f"{PUBLIC}?commodity=garam"), 404, "no-forecast")
    assert bare.get("/health").json()["services"]["models"] == "off"
    assert models.get("/health").json()["services"]["models"] == "ok"


def test_fault_of_training_degrades_health_and_is_counted_in_metrics(models: Api) -> None:
    file = status_file(TRAINING_FAULTS, models.stack.home / "state")
    write_status(file, {"failed_rounds": 2, "dead_workers": 3, "open": ["worker"]})
    try:
        assert models.get("/health").json()["services"]["models"] == "degraded"
        figures = models.get("/metrics").text
        assert "lumbung_training_failed_rounds_total 2.0" in figures
        assert "lumbung_training_dead_workers_total 3.0" in figures
    finally:
        file.unlink()


def test_prediction_uses_its_options(models: Api) -> None:
    result = predict(
        models, f"{PREDICT}/{COMMODITY}", market_id="PASAR-001", horizon_days=10, interval_level=0.95
    ).json()
    assert (result["region"], result["horizon_days"], len(result["predictions"])) == ("Jawa Barat", 10, 10)
    assert result["confidence"] == result["predictions"][-1]["confidence"] == 0.8
    assert (result["predictions"][0]["lower_idr"], result["predictions"][0]["upper_idr"]) == (
        33_333.33,
        48_000.0,
    )
    lstm = predict(models, f"{PREDICT}/{COMMODITY}", region="32", horizon_days=2, model="lstm").json()
    assert lstm["predictions"][0]["price_idr"] == 42_000.0
    assert (lstm["meta"]["model"]["name"], lstm["meta"]["model"]["alias"]) == ("lstm", "candidate")


def test_interval_widens_with_its_level(models: Api) -> None:
    widths = []
    for level in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        day = predict(models, f"{PREDICT}/{COMMODITY}", region="32", interval_level=level).json()[
            "predictions"
        ][0]
        assert day["lower_idr"] < day["price_idr"] < day["upper_idr"]
        widths.append(day["upper_idr"] - day["lower_idr"])
    assert widths == sorted(widths) and len(set(widths)) == len(widths)


def test_prediction_is_cached_until_the_table_changes(tmp_path: Path) -> None:
    api = start_api(tmp_path)
    before = metrics.predictions()
    try:
        assert [predict(api, f"{PREDICT}/{COMMODITY}", region="32").json()["cached"] for _ in range(2)] == [
            False,
            True,
        ]
        assert {name: metrics.predictions()[name] - before[name] for name in before} == {
            "true": 1,
            "false": 1,
        }
        stats = api.get("/api/v1/stats").json()
        assert stats["predictions_total"] == sum(metrics.predictions().values())
        assert stats["cache_hit_ratio"] == round(
            metrics.predictions()["true"] / stats["predictions_total"], 4
        )
        write(
            api.stack.lake_root,
            "gold.forecasts",
            issue("naive", price_idr=50_000.0, issued_at=NOW, champion=True),
        )

        def predicted() -> Any:
            return predict(api, f"{PREDICT}/{COMMODITY}", region="32").json()

        eventually(lambda: predicted()["predictions"][0]["price_idr"] == 50_000.0)
        result = predicted()
        assert (
            result["meta"]["delta_version"] == {"gold.forecasts": 1}
            and result["meta"]["model"]["name"] == "naive"
        )
        shutil.rmtree(Path(api.stack.lake_root) / "gold" / "forecasts")
        eventually(lambda: predict(api, f"{PREDICT}/{COMMODITY}").status_code == 404)
    finally:
        api.stop()


@pytest.mark.parametrize(
    ("commodity", "body", "status", "slug"),
    [
        (COMMODITY, {"region": "32", "horizon_days": 11}, 404, "no-forecast"),
        (COMMODITY, {"region": "32", "model": "prophet"}, 503, "model-unavailable"),
        (COMMODITY, {"region": "Bali", "model": "prophet"}, 404, "no-forecast"),
        ("unobtainium", {}, 404, "unknown-commodity"),
        *((COMMODITY, {"horizon_days": days}, 422, "validation") for days in (0, 31, 7.0, "7", True, None)),
        *((COMMODITY, {"interval_level": level}, 422, "validation") for level in (0.49, 1.0, "0.8")),
        (COMMODITY, {"model": "oracle"}, 422, "validation"),
        (COMMODITY, {"horizont": 7}, 422, "validation"),
        (COMMODITY, {"region": "Atlantis"}, 422, "validation"),
        (COMMODITY, {"market_id": "NOWHERE"}, 422, "validation"),
        (COMMODITY, {"market_id": "PASAR-001", "region": "Bali"}, 422, "validation"),
        ("unobtainium", {"region": "Atlantis"}, 422, "validation"),
    ],
)
def test_invalid_prediction_is_refused(
    models: Api, commodity: str, body: dict[str, Any], status: int, slug: str
) -> None:
    response = predict(models, f"{PREDICT}/{commodity}", **body)
    problem(response, status, slug)
    assert ("retry-after" in response.headers) == (status == 503)


def test_invalid_body_is_refused(models: Api) -> None:
    problem(models.post(f"{PREDICT}/{COMMODITY}", b"{", None), 400, "malformed-body")
    problem(models.post(f"{PREDICT}/{COMMODITY}", b"[]", None), 422, "validation")
    problem(models.post(f"{PREDICT}/{COMMODITY}", b"{}", None, "text/csv"), 415, "unsupported-media-type")
    problem(
        models.post(f"{PREDICT}/{COMMODITY}", b'{"a":"' + b"x" * 70_000 + b'"}', None),
        413,
        "payload-too-large",
    )
    problem(models.get(f"{PREDICT}/{COMMODITY}"), 405, "method-not-allowed")
    forged = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    problem(
        models.request("POST", f"{PREDICT}/{COMMODITY}", content=b"{}", headers=forged), 401, "token-invalid"
    )


MEMBERS = (
    {"commodity": COMMODITY, "region": "32"},
    {"commodity": "unobtainium"},
    {"commodity": "cabai", "horizon_days": 3},
    {"commodity": COMMODITY, "region": "Atlantis"},
    {"commodity": COMMODITY, "horizon_days": 31},
    {"commodity": "garam", "region": "32"},
    {"region": "32"},
    7,
)


def test_invalid_member_does_not_fail_the_others(models: Api) -> None:
    result = predict(models, BATCH, requests=MEMBERS).json()
    assert [member["index"] for member in result["results"]] == list(range(8))
    assert [member["ok"] for member in result["results"]] == [
        True,
        False,
        True,
        False,
        False,
        False,
        False,
        False,
    ]
    assert (result["succeeded"], result["failed"], result["meta"]["model"]) == (2, 6, None), (
        "two models were used"
    )
    problems = [member["problem"] for member in result["results"]]
    slugs = [given and given["type"].rsplit("/", 1)[1] for given in problems]
    assert slugs == [
        None,
        "unknown-commodity",
        None,
        "validation",
        "validation",
        "no-forecast",
        "validation",
        "validation",
    ]
    single = predict(models, BATCH, requests=MEMBERS[:1]).json()
    assert single["meta"]["model"]["name"] == "ensemble"


def test_member_has_the_result_of_a_single_prediction(models: Api) -> None:
    results = predict(models, BATCH, requests=MEMBERS[:6]).json()["results"]
    for member, result in zip(MEMBERS[:6], results, strict=True):
        options = {name: value for name, value in member.items() if name != "commodity"}
        single = predict(models, f"{PREDICT}/{member['commodity']}", **options).json()
        if result["ok"]:
            prediction = result["prediction"]
            assert {**single, "meta": 0, "cached": 0} == {**prediction, "meta": 0, "cached": 0}
        else:
            problem_of_member = result["problem"]
            assert single["type"] == problem_of_member["type"]
            assert single["status"] == problem_of_member["status"]


@pytest.mark.parametrize(
    "body", [{}, {"requests": []}, {"requests": [{"commodity": COMMODITY}] * 101}, {"requests": {}}]
)
def test_invalid_batch_is_refused(models: Api, body: dict[str, Any]) -> None:
    problem(predict(models, BATCH, **body), 422, "validation")


def test_group_with_a_series_of_its_own_is_forecast_itself() -> None:
    issued = ForecastIssue("naive", ISSUED, True, 0, 7)
    served = ServedForecasts(pa.table({}), {("cabai-merah", "32"): (issued,)})
    assert forecast_commodity("Cabai Merah", served, "32") == "cabai-merah"
    assert forecast_commodity("Cabai Merah", served, "31") == "cabai-merah-keriting"
    assert forecast_commodity("garam", served, "32") == "garam"


def test_issues_are_read_from_their_own_rows_whatever_their_hashes_are() -> None:
    """Arrow returns groups in another order where hashes collide, which they do for 3 times in 100."""
    columns = ("commodity", "region_code", "model", "issued_at", "horizon_days", "champion")
    for nth in range(300):
        issued_at = datetime(2026, 11, 26, tzinfo=UTC) + timedelta(seconds=7 * nth)
        rows = [
            row
            for commodity in ("bawang-merah", COMMODITY)
            for model, days in (("ensemble", 10), ("lstm", 3), ("naive", 7))
            for row in issue(model, commodity, days=days, issued_at=issued_at)
        ]
        table = pa.Table.from_pylist([{name: row[name] for name in columns} for row in rows])
        served = ServedForecasts(table, issues_of(table))
        for chosen in (each for issues in served.issues.values() for each in issues):
            read = served.days(chosen)
            assert len(read) == chosen.days and {row["model"] for row in read} == {chosen.model}
