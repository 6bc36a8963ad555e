"""Accuracy, feature importance, training jobs, and statistics of the service."""

from typing import Any

import orjson
import pytest

from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.io import training_jobs
from lakehouse.io.process_status import TRAINER, status_file
from lakehouse.reference import provinces
from tests.support.api import Api
from tests.support.forecast_lake import ACCURACY, COMMODITY

ACCURACY_PATH = "/api/v1/models/accuracy"
IMPORTANCE_PATH = "/api/v1/models/importance"
RETRAIN = "/api/v1/models/retrain"


def request_training(api: Api, role: str | None = "central", **body: Any) -> Any:
    return api.post(RETRAIN, orjson.dumps(body), role)


def test_accuracy_defaults_to_the_backtest(models: Api) -> None:
    result = models.get(f"{ACCURACY_PATH}?commodity=cabai&region=32&model=ensemble&horizon_days=7").json()
    assert result["items"] == [
        {
            "model": "ensemble",
            "commodity": COMMODITY,
            "region": "Jawa Barat",
            "horizon_days": 7,
            "mape_pct": 8.0,
            "wape_pct": 7.5,
            "mae_idr": 3000.0,
            "rmse_idr": 4500.0,
            "accuracy_pct": 92.0,
            "skill_vs_naive": 0.1,
            "skill_low": None,
            "skill_high": None,
            "coverage": 0.81,
            "origins": 52,
            "alias": "champion",
        }
    ]
    assert result["meta"]["model"] is None and result["meta"]["delta_version"] == {"gold.model_accuracy": 0}
    (issued,) = models.get(f"{ACCURACY_PATH}?kind=issued").json()["items"]
    assert (issued["wape_pct"], issued["coverage"], issued["alias"]) == (9.0, None, None)


def test_pages_of_accuracy_hold_every_row_once(models: Api) -> None:
    keys = []
    cursor = ""
    while cursor is not None:
        result = models.get(f"{ACCURACY_PATH}?limit=4{cursor}").json()
        keys += [
            tuple(item[name] for name in ("model", "commodity", "region", "horizon_days"))
            for item in result["items"]
        ]
        cursor = f"&cursor={result['next_cursor']}" if result["next_cursor"] else None
    assert len(keys) == len(set(keys)) == sum(row["kind"] == "backtest" for row in ACCURACY)
    assert [region for model, _, region, _ in keys if model == "ensemble"] == ["Jawa Barat"] * 7 + [
        "Indonesia"
    ] * 7
    nation = models.get(f"{ACCURACY_PATH}?region=Indonesia").json()["items"]
    assert {item["region"] for item in nation} == {"Indonesia"} and len(nation) == 14
    assert {(item["skill_low"], item["skill_high"]) for item in nation} == {(0.02, 0.18)}


def test_importance_is_that_of_the_newest_run(models: Api) -> None:
    result = models.get(f"{IMPORTANCE_PATH}?model=price").json()
    assert [(item["rank"], item["feature"]) for item in result["items"]] == [
        (1, "own_r_7"),
        (2, "national_r_7"),
        (3, "month"),
    ]
    assert result["meta"]["model"] == {
        "name": "price",
        "version": "3",
        "run_id": "run-new",
        "alias": "latest",
        "trained_on": {"gold.daily_prices": 17},
    }
    page = models.get(f"{IMPORTANCE_PATH}?model=price&limit=2").json()
    rest = models.get(f"{IMPORTANCE_PATH}?model=price&limit=2&cursor={page['next_cursor']}").json()
    assert [item["rank"] for item in page["items"] + rest["items"]] == [1, 2, 3] and rest[
        "next_cursor"
    ] is None
    own = models.get(f"{IMPORTANCE_PATH}?model=price&commodity=bawang-merah").json()["items"]
    assert [item["feature"] for item in own] == ["own_r_1"]
    pooled = models.get(f"{IMPORTANCE_PATH}?model=price&commodity=garam").json()["items"]
    assert len(pooled) == 3, "without a model of its own"


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        (f"{ACCURACY_PATH}?commodity=unobtainium", 404, "unknown-commodity"),
        (f"{ACCURACY_PATH}?region=Atlantis", 404, "unknown-region"),
        (f"{ACCURACY_PATH}?horizon_days=week", 422, "validation"),
        (f"{ACCURACY_PATH}?horizon_days=31", 422, "validation"),
        (f"{ACCURACY_PATH}?kind=hoped", 422, "validation"),
        (f"{ACCURACY_PATH}?commodity=unobtainium&cursor=x", 422, "validation"),
        (IMPORTANCE_PATH, 422, "validation"),
        (f"{IMPORTANCE_PATH}?model=astrology", 422, "validation"),
        (f"{IMPORTANCE_PATH}?model=signal", 404, "no-model"),
        (f"{IMPORTANCE_PATH}?model=price&commodity=unobtainium", 404, "unknown-commodity"),
        ("/api/v1/stats?full=1", 422, "validation"),
        ("/api/v1/supported?full=1", 422, "validation"),
    ],
)
def test_invalid_query_about_models_is_refused(models: Api, path: str, status: int, slug: str) -> None:
    response = models.get(path)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}"), response.text


def test_responses_before_the_first_training(bare: Api) -> None:
    empty = bare.get(ACCURACY_PATH).json()
    assert empty["items"] == [] and empty["next_cursor"] is None
    assert bare.get(f"{IMPORTANCE_PATH}?model=price").json()["type"] == "/problems/no-model"
    assert bare.get("/api/v1/supported").json()["models"] == ["naive"]
    assert bare.get("/api/v1/stats").json()["models_loaded"] == 0


def test_training_job_is_queued_once(bare: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the store that the trainer reads; nothing here runs the job."""
    response = request_training(
        bare, reason="prices were corrected", models=["prophet"], commodities=["Cabai", "Cabe Rawit", "garam"]
    )
    result = response.json()
    assert (response.status_code, result["status"]) == (202, "queued"), response.text
    assert response.headers["location"] == f"/api/v1/models/jobs/{result['job_id']}"
    assert request_training(bare, reason="once more").json()["type"] == "/problems/job-running"
    state = bare.get(response.headers["location"], "admin")
    assert state.headers["cache-control"] == "private, no-store"
    assert state.json() == {
        "job_id": result["job_id"],
        "status": "queued",
        "status_text": "waiting for the trainer",
        "progress_pct": 0.0,
        "run_id": None,
        "promoted": False,
        "detail": None,
        "created_at": result["created_at"],
        "finished_at": None,
    }
    under_way = {"arguments": ["price"], "why": "new prices", "since": "2026-11-21T01:00:00+00:00"}
    write_status(status_file(TRAINER, bare.stack.home / "state"), {"state": "running", "round": under_way})
    waiting = bare.get(response.headers["location"], "admin").json()
    assert waiting["status"] == "queued" and "new prices" in waiting["detail"]
    monkeypatch.setenv("LUMBUNG_HOME", str(bare.stack.home))
    settings.cache_clear()
    reason = "the round failed (WorkerDied): there is no price"
    training_jobs.finish(result["job_id"], "failed", False, None, reason)
    state = bare.get(response.headers["location"], "admin", headers={"Accept-Language": "id"}).json()
    assert (state["status"], state["status_text"]) == ("failed", "gagal")
    assert state["detail"] == "putaran pelatihan gagal (WorkerDied): belum ada harga"
    assert bare.get("/api/v1/models/jobs/none", "central").json()["type"] == "/problems/not-found"


@pytest.mark.parametrize(
    ("role", "body", "status", "slug"),
    [
        (None, {"reason": "for a test"}, 401, "unauthorized"),
        ("operator", {"reason": "for a test"}, 403, "forbidden"),
        ("device", {"reason": "for a test"}, 403, "forbidden"),
        ("operator", {}, 403, "forbidden"),
        ("central", {}, 422, "validation"),
        ("central", {"reason": " x "}, 422, "validation"),
        ("central", {"reason": "for a test", "models": ["oracle"]}, 422, "validation"),
        ("central", {"reason": "for a test", "commodities": ["unobtainium"]}, 422, "validation"),
        ("central", {"reason": "for a test", "commodities": "garam"}, 422, "validation"),
    ],
)
def test_invalid_training_request_is_refused(
    models: Api, role: str | None, body: dict[str, Any], status: int, slug: str
) -> None:
    response = request_training(models, role, **body)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}"), response.text


def test_job_state_requires_the_role_central(models: Api) -> None:
    assert [
        models.get("/api/v1/models/jobs/none", role).status_code for role in (None, "operator", "central")
    ] == [401, 403, 404]


def test_statistics_count_requests(models: Api) -> None:
    first = models.get("/api/v1/stats").json()
    models.get("/livez")
    response = models.get("/api/v1/stats")
    result = response.json()
    assert (
        result["requests_total"] == first["requests_total"] + 2
        and result["uptime_seconds"] >= first["uptime_seconds"]
    )
    assert result["models_loaded"] == 3, "naive, ensemble, lstm"
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["p95"] <= result["latency_ms"]["p99"]
    assert result["meta"]["delta_version"]["gold.model_accuracy"] == 0
    tag = {"If-None-Match": response.headers["etag"]}
    assert models.get("/api/v1/stats", headers=tag).status_code == 200, "the counters have changed by then"


def test_supported_names_are_those_of_the_reference_lists(models: Api) -> None:
    result = models.get("/api/v1/supported").json()
    listed = {row["commodity"]: row for row in result["commodities"]}
    assert (
        listed["cabai"]["is_group"]
        and "Cabe" in listed["cabai"]["aliases"]
        and listed["garam"]["unit"] == "kg"
    )
    assert [region["code"] for region in result["regions"]] == list(provinces()) and len(
        result["regions"]
    ) >= 34
    assert result["models"] == ["ensemble", "lstm", "naive"] and result["symbols"] == []
