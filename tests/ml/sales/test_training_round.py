"""A sales round from the lake to MLflow, tables and model file."""

import mlflow
import pytest

from conf.settings import settings
from lakehouse.io import training_jobs
from lakehouse.io.delta import open_table
from ml.data.panel import NothingToLearn
from ml.forecasts import mlflow_store
from ml.sales import training_round
from ml.sales.load import read_listings
from ml.sales.publish import model_file
from tests.support.retail.listings import shop_columns, write_listings

QUICK = {"quick": True, "if_changed": True}


@pytest.mark.usefixtures("store")
def test_round_is_recorded_and_not_repeated_on_the_same_listings(
    lake: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LUMBUNG_CV__FOLDS", "3")
    settings.cache_clear()
    with pytest.raises(NothingToLearn):
        training_round.run(**QUICK)
    write_listings(shop_columns(2, 110, signal=True))
    job = training_jobs.submit(["sales"], [], "new listings", "central")
    training_jobs.take()
    outcome = training_round.run(**QUICK, job=job.job_id)
    assert outcome.promoted and outcome.run_id and model_file().is_file()
    printed = capsys.readouterr().err
    assert "sales_rank" in printed and outcome.detail in printed
    ended = training_jobs.job(job.job_id)
    assert ended and (ended.status, ended.promoted, ended.run_id) == ("succeeded", True, outcome.run_id)
    mlflow_store.connect("sales")
    run = mlflow.get_run(outcome.run_id)
    assert run.data.params["folds"] == "3"
    assert run.data.tags["data_version"] == str(open_table("silver.listings").version())
    assert {"random.stack.r2", "grouped.stack.r2", "time.stack.r2"} <= set(run.data.metrics)
    artifacts = {file.path for file in mlflow.MlflowClient().list_artifacts(outcome.run_id)}
    assert {"splits.json", "leaks.json", "importance.json", "environment.json", "plots"} <= artifacts
    rows = open_table("gold.sales_model").to_pyarrow_table().to_pylist()
    assert {row["run_id"] for row in rows} == {outcome.run_id}
    assert {row["model"] for row in rows if row["champion"]} != set()
    refused = open_table("gold.price_elasticity").to_pyarrow_table().to_pylist()
    assert {(row["shop"], row["run_id"], row["verdict"]) for row in refused} == {
        ("main", outcome.run_id, "refused")
    }
    assert f"price elasticity of {refused[0]['category']} is not known" in printed
    assert training_round.run(**QUICK) == training_round.SalesOutcome(
        True, outcome.run_id, "the sales model was already trained on these listings"
    )
    write_listings(shop_columns(3, 2))
    assert training_round.listings_version() != rows[0]["data_version"]


@pytest.mark.slow
@pytest.mark.usefixtures("lake")
def test_each_shop_with_enough_listings_has_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMBUNG_CV__FOLDS", "3")
    settings.cache_clear()
    write_listings(shop_columns(2, 110, signal=True))
    write_listings(shop_columns(4, 120, signal=True), "toko-b")
    write_listings(shop_columns(5, 20), "toko-kecil")
    outcome = training_round.run(**QUICK)
    assert outcome.promoted and outcome.detail.startswith("main: ") and "; toko-b: " in outcome.detail
    assert [model_file(shop).is_file() for shop in ("main", "toko-b", "toko-kecil")] == [True, True, False]
    for table in ("gold.sales_model", "gold.sales_leaks"):
        assert {row["shop"] for row in open_table(table).to_pyarrow_table().to_pylist()} == {"main", "toko-b"}
    importance = open_table("gold.feature_importance").to_pyarrow_table()["model"].to_pylist()
    assert set(importance) == {"sales", "sales-toko-b"}


@pytest.mark.usefixtures("lake")
def test_shop_that_never_reports_stock_is_a_series_too() -> None:
    columns = shop_columns(6, 20, states=12)
    write_listings(columns | {"stock_quantity": 0 * columns["stock_quantity"]})
    rows, _ = read_listings(settings().lake_root)
    assert rows is not None and rows.series and len(rows) == 20 * 11
