"""From prices to served forecasts: promotion, demotion, failed rounds, short histories, requested models."""

import dataclasses
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io import training_jobs
from lakehouse.io.delta import replace_once, table_uri
from ml import schedule
from ml.forecasts import mlflow_store, promotion
from ml.forecasts.accuracy_table import write_importance
from ml.forecasts.fitted_model import FittedModel
from ml.forecasts.issue import known_panel, served_models
from ml.forecasts.training_round import Request, models_of, run
from ml.models.forecaster import training_horizons
from ml.models.naive import Naive
from ml.models.registry import default_models
from ml.train import app
from tests.support.command_lines import exit_code
from tests.support.daily_prices_lake import of_panel, write_daily
from tests.support.panels import noisy, walks

DAYS = 1010  # a year, 76 origins, and a week
QUICK_DAYS = 660  # a year, 25 origins, and four weeks
REGIONS = ["11", "32", "51"]


@pytest.fixture
def home(lone_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose rounds run in this process alone."""
    monkeypatch.setenv("LUMBUNG_TRAINING__PROCESSES", "1")
    settings.cache_clear()
    return lone_home


def rows_of(table: str) -> list[dict[str, Any]]:
    rows = DeltaTable(table_uri(table)).to_pyarrow_table().to_pylist()
    key = contracts()[table].key
    assert len({tuple(row[name] for name in key) for row in rows}) == len(rows)
    return rows


def serving() -> dict[str, set[tuple[str, str]]]:
    """Commodity -> (model, version) of the newest issue's champions."""
    rows = rows_of("gold.forecasts")
    newest = max(row["issued_at"] for row in rows)
    champions: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        if row["champion"] and row["issued_at"] == newest:
            champions.setdefault(row["commodity"], set()).add((row["model"], row["model_version"]))
    return champions


def forecasts_of(model: str, commodity: str) -> list[dict[str, Any]]:
    return [
        row for row in rows_of("gold.forecasts") if row["model"] == model and row["commodity"] == commodity
    ]


@pytest.mark.usefixtures("store")
def test_model_that_beats_naive_becomes_champion(home: Path, monkeypatch: pytest.MonkeyPatch):
    write_daily(of_panel(noisy(1, DAYS, commodities=["teh"], regions=REGIONS)))
    write_daily(of_panel(walks(2, DAYS, commodities=["kol"], regions=REGIONS)))
    job = training_jobs.submit(["ses", "drift"], [], "first", "central")
    training_jobs.take()
    run(Request(models=("ses", "drift"), job=job.job_id))
    ended = training_jobs.job(job.job_id)
    assert (ended.status, ended.promoted, ended.progress_pct) == ("succeeded", True, 100)
    assert "teh ses" in ended.detail
    assert serving() == {"teh": {("ses", "1")}, "kol": {("naive", "0")}}
    champion = forecasts_of("ses", "teh")
    assert {row["run_id"] for row in champion} == {ended.run_id}
    assert {row["interval_basis"] for row in champion} == {"commodity_horizon"}
    assert all(row["skill_vs_naive"] > 0.05 for row in champion)
    assert all(row["lower_80_idr"] < row["price_idr"] < row["upper_80_idr"] for row in champion)
    assert all(row["gate_reason"].startswith("naive: ") for row in forecasts_of("naive", "kol"))
    accuracy = rows_of("gold.model_accuracy")
    assert {row["kind"] for row in accuracy} == {"backtest"} and len(accuracy) == 3 * 2 * (3 + 1) * 7
    champions = {(row["model"], row["commodity"]) for row in accuracy if row["alias"]}
    assert champions == {("ses", "teh"), ("naive", "kol")}
    assert all(row["skill_vs_naive"] == 0 for row in accuracy if row["model"] == "naive")
    _check_that_the_run_is_recorded(ended.run_id)
    monkeypatch.setattr(promotion, "save_plots", lambda assessment, folder: [])
    _check_that_a_failed_round_changes_nothing(monkeypatch)
    _check_that_a_round_for_one_commodity_keeps_the_others()


def _check_that_the_run_is_recorded(run_id: str) -> None:
    import mlflow

    client = mlflow.MlflowClient()
    data = client.get_run(run_id).data
    assert {"seed", "data_version", "data_fingerprint", "origins", "features"} <= set(data.params)
    assert data.metrics["ses/teh/skill"] > 0.05 and data.metrics["holdout/ses/teh/skill"] > 0
    names = {file.path for file in client.list_artifacts(run_id)}
    assert {"gate.json", "checks.json", "environment.json", "source.json", "plots"} <= names
    gate = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/gate.json"))
    decisions = {(row["model"], row["commodity"], row["passed"]) for row in gate}
    assert decisions >= {("ses", "teh", True), ("drift", "kol", False)}
    assert (schedule.state_folder() / "backtest" / "holdout.jsonl").read_text().count("\n") == 1


def _check_that_a_failed_round_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = serving(), rows_of("gold.model_accuracy")
    for function in ("fit_models", "write_accuracy"):  # before and after aliases are set
        with monkeypatch.context() as broken:
            broken.setattr(promotion, function, lambda *_: 1 / 0)
            job = training_jobs.submit(["ses"], [], "again", "central")
            training_jobs.take()
            assert exit_code(app, ["price", "--models", "ses", "--job", job.job_id]) == ExitCode.FAILED
        ended = training_jobs.job(job.job_id)
        assert ended.status == "failed" and "ZeroDivisionError" in ended.detail
        assert (serving(), rows_of("gold.model_accuracy")) == before
        champions = mlflow_store.champions()
        assert {name: (champion.model, champion.version) for name, champion in champions.items()} == {
            "teh": ("ses", "1")
        }
    assert (
        exit_code(app, ["price", "--if-changed"]) == ExitCode.DONE
    )  # it pauses: nothing is tried again at once
    schedule.clear_failure("price")


def _check_that_a_round_for_one_commodity_keeps_the_others() -> None:
    """A champion that cannot be loaded does not affect the other models either."""
    before = forecasts_of("naive", "teh")
    run(Request(models=("drift",), commodities=("kol",)))
    models = {model.name: model for model in served_models(known_panel(datetime.now(UTC))).models}
    assert {models[name].run_id for name in ("drift", "naive")} == {before[0]["run_id"]}
    assert models["drift"].commodities is None
    champion = mlflow_store.champions()["teh"]
    artifacts = settings().mlflow_dir / "artifacts" / "prices" / "models"
    shutil.rmtree(artifacts / champion.uri.split("/")[-1])
    served = served_models(known_panel(datetime.now(UTC)))
    assert "teh" not in served.champions
    assert {"naive", "drift"} <= {model.name for model in served.models}


@pytest.mark.usefixtures("store", "no_plots")
def test_champion_that_becomes_significantly_worse_than_naive_is_replaced(home: Path):
    """Prices that repeat weekly make seasonal naive champion; then they become random walks."""
    panel = walks(8, DAYS, commodities=["teh"], regions=REGIONS)
    weekly = 9_500 * np.exp(0.1 * np.random.default_rng(1).standard_normal((3, 7)))[:, np.arange(DAYS) % 7]
    error = np.exp(0.002 * np.random.default_rng(2).standard_normal(weekly.shape))
    write_daily(of_panel(dataclasses.replace(panel, price=weekly * error)))
    run(Request(models=("seasonal_naive",)))
    assert serving() == {"teh": {("seasonal_naive", "1")}}
    write_daily(of_panel(panel), "overwrite")
    run(Request(models=("seasonal_naive",)))
    assert serving() == {"teh": {("naive", "0")}}
    assert not mlflow_store.champions()


def test_short_history_is_served_by_naive_with_the_reason(home: Path):
    write_daily(of_panel(walks(1, 100)))
    assert exit_code(app, ["price"]) == ExitCode.DONE
    assert {model for champions in serving().values() for model, _ in champions} == {"naive"}
    assert all("history is too short" in row["gate_reason"] for row in rows_of("gold.forecasts"))
    assert schedule.training_due(schedule.price_state(datetime.now(UTC))) is None
    version = DeltaTable(table_uri("gold.forecasts")).version()
    assert exit_code(app, ["price", "--if-changed"]) == ExitCode.DONE
    assert DeltaTable(table_uri("gold.forecasts")).version() == version
    write_daily(of_panel(walks(1, 110))[-12 * 10 :])
    assert "newly observed" in schedule.training_due(schedule.price_state(datetime.now(UTC)))


class WithImportance(Naive):
    """A model with given feature importances."""

    name = "boosting"

    def __init__(self, shares: dict[str, float]) -> None:
        self.shares = shares

    def importance(self) -> dict[str, float]:
        return self.shares


def test_newest_importance_of_prices_replaces_the_older_and_keeps_other_models(home: Path):
    """gold.feature_importance: ranks by share, all rows of a model at once."""
    table = "gold.feature_importance"
    other = {
        "model": "sales",
        "commodity": None,
        "feature": "price",
        "importance": 1.0,
        "rank": 1,
        "run_id": "x",
        "measured_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    replace_once(table, pa.Table.from_pylist([other], schema=arrow_schema(contracts()[table])), "other")
    assert write_importance({"naive": FittedModel(Naive())}, "run-0") == 0
    older = FittedModel(WithImportance({"r_1": 0.2, "removed": 0.8}))
    newer = FittedModel(WithImportance({"r_1": 0.3, "r_7": 0.6, "sd14": 0.1}))
    assert write_importance({"boosting": older}, "run-1") == 2
    assert write_importance({"boosting": newer}, "run-2") == 3
    columns = ("model", "feature", "importance", "rank", "run_id")
    assert {tuple(row[name] for name in columns) for row in rows_of(table)} == {
        ("sales", "price", 1.0, 1, "x"),
        ("price", "r_7", 0.6, 1, "run-2"),
        ("price", "r_1", 0.3, 2, "run-2"),
        ("price", "sd14", 0.1, 3, "run-2"),
    }


@pytest.mark.usefixtures("store", "no_plots")
def test_forecasts_cover_the_horizon_of_the_knob(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_FORECAST__HORIZON_DAYS", "28")
    settings.cache_clear()
    assert training_horizons() == (1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28)
    write_daily(of_panel(noisy(3, QUICK_DAYS, commodities=["teh", "kol"], regions=["11", "32"])))
    run(Request(models=("linear", "drift"), quick=True))
    forecasts = [row for row in rows_of("gold.forecasts") if row["region_code"] == "32"]
    for name in ("naive", "linear", "drift"):
        rows = [row for row in forecasts if row["model"] == name]
        assert sorted({row["horizon_days"] for row in rows}) == list(range(1, 29)), name
        width = {
            (row["commodity"], row["horizon_days"]): row["upper_80_idr"] / row["lower_80_idr"] for row in rows
        }
        assert all(width[commodity, 28] > width[commodity, 1] > 1 for commodity in ("teh", "kol"))


def test_ensemble_requested_alone_has_the_usual_members():
    usual = (*default_models(quick=False), "ensemble")
    assert set(usual) == {
        "drift",
        "seasonal_naive",
        "ses",
        "ets",
        "theta",
        "arima",
        "linear",
        "boosting",
        "ensemble",
    }
    assert models_of(Request()) == models_of(Request(models=("ensemble",))) == usual
    assert models_of(Request(models=("lstm", "ensemble"))) == (*usual, "lstm")
    assert models_of(Request(models=("ses", "ensemble"))) == ("ses", "ensemble")
    assert models_of(Request(quick=True)) == ("drift", "seasonal_naive", "linear", "boosting", "ensemble")


def test_kinds_without_data_and_unknown_kinds_have_exit_codes(home: Path, capsys: pytest.CaptureFixture):
    assert exit_code(app, ["signal"]) == ExitCode.MISSING
    assert "silver.bars is empty" in capsys.readouterr().err
    assert exit_code(app, ["price"]) == ExitCode.MISSING
    assert exit_code(app, ["weather"]) == ExitCode.USAGE
