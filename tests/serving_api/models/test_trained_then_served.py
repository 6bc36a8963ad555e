"""From prices to an answer: ordered over HTTP, trained by the job, served from the tables, with what became of the order."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from conf import training_jobs
from conf.settings import REPO, settings
from tests.ml.lake import of_panel, write_daily
from tests.ml.made_panels import noisy
from tests.serving_api.models.conftest import started

DAYS = 1010  # a year, and origins enough for a verdict
REGIONS = ["11", "32", "51"]


def test_ordered_trained_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices under a surveyor's daily error: smoothing is better than the last price, and the gate lets it speak."""
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    write_daily(of_panel(noisy(1, DAYS, goods=["bawang-merah"], regions=REGIONS)))
    api = started(tmp_path, filled=False)
    try:
        asked = orjson.dumps({"reason": "first prices", "models": ["ensemble"], "commodities": ["Bawang Merah"]})
        order = api.post("/api/v1/models/retrain", asked, "central").json()
        taken = training_jobs.take()
        assert taken is not None and (taken.job_id, taken.models, taken.by) == (order["job_id"], ("ensemble",), "central")
        command = [sys.executable, "-m", "ml.train", "price", "--models", "ses", "--job", taken.job_id]
        done = subprocess.run(command, cwd=REPO, env=api.stack.env | {"LUMBUNG_TRAINING__PROCESSES": "1"}, capture_output=True)
        assert done.returncode == 0, done.stderr[-2000:]
        job = api.get(f"/api/v1/models/jobs/{taken.job_id}", "central").json()
        assert (job["status"], job["promoted"], job["progress_pct"]) == ("succeeded", True, 100) and job["finished_at"]
        predicted = api.post("/api/v1/predict/price/bawang-merah", b'{"region": "Jawa Barat"}', None).json()
        assert (predicted["meta"]["model"]["name"], predicted["meta"]["model"]["run_id"]) == ("ses", job["run_id"])
        assert all(day["lower_idr"] < day["price_idr"] < day["upper_idr"] for day in predicted["predictions"])
        assert predicted["meta"]["model"]["trained_on"] == {"gold.daily_prices": 0}
        asked_back = "/api/v1/models/accuracy?commodity=bawang-merah&region=Indonesia&horizon_days=7"
        measured = {row["model"]: row for row in api.get(asked_back).json()["items"]}
        assert measured["ses"]["alias"] == "champion" and measured["ses"]["skill_vs_naive"] > 0.05
        assert measured["naive"]["skill_vs_naive"] == 0 and measured["naive"]["alias"] is None
        sure = api.get("/api/forecast/confidence?commodity=bawang-merah").json()
        assert sure["region"] == "Indonesia" and sure["origins"] == measured["ses"]["origins"] and 0.6 < sure["coverage"] < 0.95
    finally:
        api.stop()
        monkeypatch.undo()
        settings.cache_clear()
