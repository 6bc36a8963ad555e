"""Accuracy, importance, orders to train, and what the service says of itself."""

from typing import Any

import orjson
import pytest

from lakehouse.reference import provinces
from tests.serving_api.conftest import Api
from tests.serving_api.forecast_lake import ACCURACY, GOOD

ACCURACY_PATH = "/api/v1/models/accuracy"
IMPORTANCE_PATH = "/api/v1/models/importance"
RETRAIN = "/api/v1/models/retrain"


def order(api: Api, role: str | None = "central", **body: Any) -> Any:
    return api.post(RETRAIN, orjson.dumps(body), role)


def test_accuracy_is_that_of_the_backtest(models: Api) -> None:
    told = models.get(f"{ACCURACY_PATH}?commodity=cabai&region=32&model=ensemble&horizon_days=7").json()
    assert told["items"] == [
        {
            "model": "ensemble", "commodity": GOOD, "region": "Jawa Barat", "horizon_days": 7, "mape_pct": 8.0, "wape_pct": 7.5,
            "mae_idr": 3000.0, "rmse_idr": 4500.0, "accuracy_pct": 92.0, "skill_vs_naive": 0.1, "coverage": 0.81, "origins": 52,
            "alias": "champion",
        }
    ]  # fmt: skip
    assert told["meta"]["model"] is None and told["meta"]["delta_version"] == {"gold.model_accuracy": 0}
    (issued,) = models.get(f"{ACCURACY_PATH}?kind=issued").json()["items"]
    assert (issued["wape_pct"], issued["coverage"], issued["alias"]) == (9.0, None, None)


def test_pages_of_accuracy_hold_every_row_once(models: Api) -> None:
    found, cursor = [], ""
    while cursor is not None:
        told = models.get(f"{ACCURACY_PATH}?limit=4{cursor}").json()
        found += [tuple(item[name] for name in ("model", "commodity", "region", "horizon_days")) for item in told["items"]]
        cursor = f"&cursor={told['next_cursor']}" if told["next_cursor"] else None
    assert len(found) == len(set(found)) == sum(row["kind"] == "backtest" for row in ACCURACY)
    assert [one[2] for one in found if one[0] == "ensemble"] == ["Jawa Barat"] * 7 + ["Indonesia"] * 7
    nation = models.get(f"{ACCURACY_PATH}?region=Indonesia").json()["items"]
    assert {item["region"] for item in nation} == {"Indonesia"} and len(nation) == 14


def test_importance_is_that_of_the_last_run(models: Api) -> None:
    told = models.get(f"{IMPORTANCE_PATH}?model=price").json()
    assert [(item["rank"], item["feature"]) for item in told["items"]] == [(1, "own_r_7"), (2, "national_r_7"), (3, "month")]
    assert told["meta"]["model"] == {
        "name": "price", "version": "3", "run_id": "run-new", "alias": "latest", "trained_on": {"gold.daily_prices": 17},
    }  # fmt: skip
    page = models.get(f"{IMPORTANCE_PATH}?model=price&limit=2").json()
    rest = models.get(f"{IMPORTANCE_PATH}?model=price&limit=2&cursor={page['next_cursor']}").json()
    assert [item["rank"] for item in page["items"] + rest["items"]] == [1, 2, 3] and rest["next_cursor"] is None
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
def test_questions_about_models_that_are_none(models: Api, path: str, status: int, slug: str) -> None:
    answer = models.get(path)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text


def test_before_anything_was_trained(bare: Api) -> None:
    empty = bare.get(ACCURACY_PATH).json()
    assert empty["items"] == [] and empty["next_cursor"] is None
    assert bare.get(f"{IMPORTANCE_PATH}?model=price").json()["type"] == "/problems/no-model"
    assert bare.get("/api/v1/supported").json()["models"] == ["naive"]
    assert bare.get("/api/v1/stats").json()["models_loaded"] == 0


def test_an_order_to_train_is_filed_once(bare: Api) -> None:
    """The store is the one that the trainer reads; nothing here takes the order."""
    answer = order(bare, reason="prices were corrected", models=["prophet"], commodities=["Cabai", "Cabe Rawit", "garam"])
    told = answer.json()
    assert (answer.status_code, told["status"]) == (202, "queued"), answer.text
    assert answer.headers["location"] == f"/api/v1/models/jobs/{told['job_id']}"
    assert order(bare, reason="once more").json()["type"] == "/problems/job-running"
    state = bare.get(answer.headers["location"], "admin")
    assert state.headers["cache-control"] == "private, no-store"
    assert state.json() == {
        "job_id": told["job_id"], "status": "queued", "progress_pct": 0.0, "run_id": None, "promoted": False, "detail": None,
        "created_at": told["created_at"], "finished_at": None,
    }  # fmt: skip
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
def test_orders_that_are_none(models: Api, role: str | None, body: dict[str, Any], status: int, slug: str) -> None:
    answer = order(models, role, **body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text


def test_jobs_are_shown_to_the_centre_only(models: Api) -> None:
    assert [models.get("/api/v1/models/jobs/none", role).status_code for role in (None, "operator", "central")] == [401, 403, 404]


def test_the_service_counts_what_it_does(models: Api) -> None:
    first = models.get("/api/v1/stats").json()
    models.get("/livez")
    answer = models.get("/api/v1/stats")
    told = answer.json()
    assert told["requests_total"] == first["requests_total"] + 2 and told["uptime_seconds"] >= first["uptime_seconds"]
    assert told["models_loaded"] == 3, "naive, ensemble, lstm"
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p95"] <= told["latency_ms"]["p99"]
    assert told["meta"]["delta_version"]["gold.model_accuracy"] == 0
    tag = {"If-None-Match": answer.headers["etag"]}
    assert models.get("/api/v1/stats", headers=tag).status_code == 200, "it is another answer by then"


def test_supported_names_are_those_of_the_lists(models: Api) -> None:
    told = models.get("/api/v1/supported").json()
    goods = {one["commodity"]: one for one in told["commodities"]}
    assert goods["cabai"]["is_group"] and "Cabe" in goods["cabai"]["aliases"] and goods["garam"]["unit"] == "kg"
    assert [one["code"] for one in told["regions"]] == list(provinces()) and len(told["regions"]) >= 34
    assert told["models"] == ["ensemble", "lstm", "naive"] and told["symbols"] == []
