"""A round of sales from the lake to MLflow, tables and file; the same listings are not learned from twice."""

import mlflow
import pytest

from conf.settings import settings
from ml import sales_round, tracking
from ml.sales_publish import model_file
from streaming_jobs.delta_sink import open_table
from tests.ml.test_sales import lake, made, shop  # noqa: F401  (lake is a fixture)

QUICK = {"quick": True, "if_changed": True}


def test_a_round_is_on_record_and_not_repeated(lake: str, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    monkeypatch.setenv("LUMBUNG_CV__FOLDS", "3")
    settings.cache_clear()
    with pytest.raises(FileNotFoundError):
        sales_round.run(**QUICK)
    shop(made(2, 110, signal=True))
    said: list[str] = []
    told = sales_round.run(**QUICK, tell=said.append)
    assert told.promoted and told.run_id and model_file().is_file()
    assert any("sales_rank" in line for line in said) and said[-1].endswith(told.detail)
    tracking.connect("sales")
    run = mlflow.get_run(told.run_id)
    assert run.data.params["folds"] == "3" and run.data.tags["data_version"] == str(open_table("silver.listings").version())
    assert {"random.stack.r2", "grouped.stack.r2", "time.stack.r2"} <= set(run.data.metrics)
    kept = {one.path for one in mlflow.MlflowClient().list_artifacts(told.run_id)}
    assert {"splits.json", "leaks.json", "importance.json", "environment.json", "plots"} <= kept
    rows = open_table("gold.sales_model").to_pyarrow_table().to_pylist()
    assert {row["run_id"] for row in rows} == {told.run_id} and {row["model"] for row in rows if row["champion"]} != set()
    assert not sales_round.run(**QUICK).run_id  # nothing new
    shop(made(3, 2))
    assert sales_round.version() != rows[0]["data_version"]
