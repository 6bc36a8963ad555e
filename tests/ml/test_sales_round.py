"""A round of sales from the lake to MLflow, tables and file; the same listings are not learned from twice."""

import mlflow
import pytest

from conf import training_jobs
from conf.settings import settings
from ml import sales_round, tracking
from ml.panel import NothingToLearn
from ml.sales_publish import model_file
from streaming_jobs.delta_sink import open_table
from tests.ml.made_listings import made, shop
from tests.ml.test_sales import lake  # noqa: F401  (a fixture)

QUICK = {"quick": True, "if_changed": True}


def test_a_round_is_on_record_and_not_repeated(
    lake: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("LUMBUNG_CV__FOLDS", "3")
    settings.cache_clear()
    with pytest.raises(NothingToLearn):
        sales_round.run(**QUICK)
    shop(made(2, 110, signal=True))
    order = training_jobs.submit(["sales"], [], "new listings", "central")
    training_jobs.take()
    told = sales_round.run(**QUICK, job=order.job_id)
    assert told.promoted and told.run_id and model_file().is_file()
    said = capsys.readouterr().err
    assert "sales_rank" in said and told.detail in said
    ended = training_jobs.job(order.job_id)
    assert ended and (ended.status, ended.promoted, ended.run_id) == ("succeeded", True, told.run_id)
    tracking.connect("sales")
    run = mlflow.get_run(told.run_id)
    assert run.data.params["folds"] == "3" and run.data.tags["data_version"] == str(open_table("silver.listings").version())
    assert {"random.stack.r2", "grouped.stack.r2", "time.stack.r2"} <= set(run.data.metrics)
    kept = {one.path for one in mlflow.MlflowClient().list_artifacts(told.run_id)}
    assert {"splits.json", "leaks.json", "importance.json", "environment.json", "plots"} <= kept
    rows = open_table("gold.sales_model").to_pyarrow_table().to_pylist()
    assert {row["run_id"] for row in rows} == {told.run_id} and {row["model"] for row in rows if row["champion"]} != set()
    assert sales_round.run(**QUICK) == sales_round.Told(True, told.run_id, "the sales model has seen these listings")
    shop(made(3, 2))
    assert sales_round.version() != rows[0]["data_version"]
