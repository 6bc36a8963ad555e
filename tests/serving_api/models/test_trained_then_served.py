"""A training that is requested over HTTP, run by the job, and served from the tables."""

from pathlib import Path

import orjson
import pytest

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.io import training_jobs
from ml.train import app
from serving_api.reads.snapshots import Snapshots
from tests.serving_api.models.conftest import start_api
from tests.support.command_lines import exit_code
from tests.support.daily_prices_lake import of_panel, write_daily
from tests.support.empty_lake import copy_empty_store
from tests.support.panels import noisy

DAYS = 1010  # a year, and enough origins for the gate
REGIONS = ["11", "32", "51"]


def test_requested_training_is_run_and_its_model_served(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices with a daily measurement error: smoothing beats the last price and passes the gate."""
    monkeypatch.setenv("LUMBUNG_TRAINING__PROCESSES", "1")
    monkeypatch.setattr("ml.forecasts.promotion.save_plots", lambda assessment, folder: [])
    settings.cache_clear()
    copy_empty_store()
    write_daily(of_panel(noisy(1, DAYS, commodities=["bawang-merah"], regions=REGIONS)))
    api = start_api(lone_home, filled=False)
    try:
        body = orjson.dumps(
            {"reason": "first prices", "models": ["ensemble"], "commodities": ["Bawang Merah"]}
        )
        order = api.post("/api/v1/models/retrain", body, "central").json()
        taken = training_jobs.take()
        assert taken is not None and (taken.job_id, taken.models, taken.by) == (
            order["job_id"],
            ("ensemble",),
            "central",
        )
        assert exit_code(app, ["price", "--models", "ses", "--job", taken.job_id]) == ExitCode.DONE
        job = api.get(f"/api/v1/models/jobs/{taken.job_id}", "central").json()
        assert (job["status"], job["promoted"], job["progress_pct"]) == ("succeeded", True, 100) and job[
            "finished_at"
        ]
        api.shared(Snapshots).refresh()
        predicted = api.post("/api/v1/predict/price/bawang-merah", b'{"region": "Jawa Barat"}', None).json()
        assert (predicted["meta"]["model"]["name"], predicted["meta"]["model"]["run_id"]) == (
            "ses",
            job["run_id"],
        )
        assert all(day["lower_idr"] < day["price_idr"] < day["upper_idr"] for day in predicted["predictions"])
        assert predicted["meta"]["model"]["trained_on"] == {"gold.daily_prices": 0}
        path = "/api/v1/models/accuracy?commodity=bawang-merah&region=Indonesia&horizon_days=7"
        measured = {row["model"]: row for row in api.get(path).json()["items"]}
        assert measured["ses"]["alias"] == "champion" and measured["ses"]["skill_vs_naive"] > 0.05
        assert measured["naive"]["skill_vs_naive"] == 0 and measured["naive"]["alias"] is None
        sure = api.get("/api/forecast/confidence?commodity=bawang-merah").json()
        assert (
            sure["region"] == "Indonesia"
            and sure["origins"] == measured["ses"]["origins"]
            and 0.6 < sure["coverage"] < 0.95
        )
    finally:
        api.stop()
        monkeypatch.undo()
        settings.cache_clear()
