"""From prices to served forecasts: who beats naive is promoted, who does not is not; what stands is kept when a round fails."""

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

from conf import training_jobs
from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from ml import promotion, rounds, tracking
from ml.accuracy import write_importance
from ml.issuing import known_panel, standing
from ml.models import learned_horizons
from ml.naive import Naive
from ml.price_round import Request, run, wanted
from ml.speakers import Speaker
from ml.tables import path_of, replace
from ml.train import main
from tests.ml.lake import of_panel, write_daily
from tests.ml.made_panels import noisy, walks

DAYS = 1010  # a year, 76 origins, and a week


@pytest.fixture
def home(lone_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUMBUNG_TRAINING__PROCESSES", "1")
    settings.cache_clear()
    return lone_home


def rows_of(table: str) -> list[dict[str, Any]]:
    rows = DeltaTable(path_of(table)).to_pyarrow_table().to_pylist()
    key = contracts()[table].key
    assert len({tuple(row[name] for name in key) for row in rows}) == len(rows)
    return rows


def served() -> dict[str, set[tuple[str, str]]]:
    """Commodity -> (model, version) of the newest issue's champions."""
    rows = rows_of("gold.forecasts")
    newest = max(row["issued_at"] for row in rows)
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        if row["champion"] and row["issued_at"] == newest:
            found.setdefault(row["commodity"], set()).add((row["model"], row["model_version"]))
    return found


def test_from_prices_to_a_champion(home: Path, monkeypatch: pytest.MonkeyPatch):
    write_daily(of_panel(noisy(1, DAYS, goods=["teh"], regions=["11", "32", "51"])))
    write_daily(of_panel(walks(2, DAYS, goods=["kol"], regions=["11", "32", "51"])))
    order = training_jobs.submit(["ses", "drift"], [], "first", "central")
    training_jobs.take()
    run(Request(models=("ses", "drift"), job=order.job_id))
    done = training_jobs.job(order.job_id)
    assert (done.status, done.promoted, done.progress_pct) == ("succeeded", True, 100) and "teh ses" in done.detail
    assert served() == {"teh": {("ses", "1")}, "kol": {("naive", "0")}}
    rows = [row for row in rows_of("gold.forecasts") if row["model"] == "ses" and row["commodity"] == "teh"]
    assert {row["run_id"] for row in rows} == {done.run_id} and {row["interval_basis"] for row in rows} == {"commodity_horizon"}
    assert all(row["skill_vs_naive"] > 0.05 and row["lower_80_idr"] < row["price_idr"] < row["upper_80_idr"] for row in rows)
    naive = [row for row in rows_of("gold.forecasts") if row["model"] == "naive" and row["commodity"] == "kol"]
    assert all(row["gate_reason"].startswith("naive: ") for row in naive)
    accuracy = rows_of("gold.model_accuracy")
    assert {row["kind"] for row in accuracy} == {"backtest"} and len(accuracy) == 3 * 2 * (3 + 1) * 7
    assert {(row["model"], row["commodity"]) for row in accuracy if row["alias"]} == {("ses", "teh"), ("naive", "kol")}
    assert all(row["skill_vs_naive"] == 0 for row in accuracy if row["model"] == "naive")
    _on_record(done.run_id)
    _a_failure_changes_nothing(monkeypatch)
    _an_order_for_one_good_leaves_the_others_as_they_are()


def _on_record(run_id: str) -> None:
    """The run has all that its decision rests on."""
    import mlflow

    client = mlflow.MlflowClient()
    found = client.get_run(run_id)
    assert {"seed", "data_version", "data_fingerprint", "origins", "features"} <= set(found.data.params)
    assert found.data.metrics["ses/teh/skill"] > 0.05 and found.data.metrics["holdout/ses/teh/skill"] > 0
    names = {file.path for file in client.list_artifacts(run_id)}
    assert {"gate.json", "checks.json", "environment.json", "source.json", "plots"} <= names
    gate = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/gate.json"))
    assert {(row["model"], row["commodity"], row["passed"]) for row in gate} >= {("ses", "teh", True), ("drift", "kol", False)}
    assert (rounds.folder() / "backtest" / "holdout.jsonl").read_text().count("\n") == 1


def _a_failure_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = served(), rows_of("gold.model_accuracy")
    for place in ("fitted", "write_accuracy"):  # before and after aliases are given
        with monkeypatch.context() as broken:
            broken.setattr(promotion, place, lambda *_: 1 / 0)
            order = training_jobs.submit(["ses"], [], "again", "central")
            training_jobs.take()
            assert main(["price", "--models", "ses", "--job", order.job_id]) == 1
        assert (
            training_jobs.job(order.job_id).status == "failed" and "ZeroDivisionError" in training_jobs.job(order.job_id).detail
        )
        assert (served(), rows_of("gold.model_accuracy")) == before
        assert {good: (one.model, one.version) for good, one in tracking.champions().items()} == {"teh": ("ses", "1")}
    assert main(["price", "--if-changed"]) == 0  # it rests: nothing is tried again at once
    rounds.recovered("price")


def _an_order_for_one_good_leaves_the_others_as_they_are() -> None:
    """Nor is a model that cannot be loaded the end of all others."""
    before = [row for row in rows_of("gold.forecasts") if row["model"] == "naive" and row["commodity"] == "teh"]
    run(Request(models=("drift",), commodities=("kol",)))
    speakers = {one.name: one for one in standing(known_panel(datetime.now(UTC))).speakers}
    assert {speakers[name].run_id for name in ("drift", "naive")} == {before[0]["run_id"]} and speakers["drift"].goods is None
    champion = tracking.champions()["teh"]
    shutil.rmtree(settings().mlflow_dir / "artifacts" / "prices" / "models" / champion.uri.split("/")[-1])
    now = standing(known_panel(datetime.now(UTC)))
    assert "teh" not in now.champions and {"naive", "drift"} <= {one.name for one in now.speakers}


def test_a_champion_that_is_worse_than_naive_beyond_doubt_is_replaced_by_it(home: Path):
    """Prices that repeat week by week make seasonal naive champion; when they turn into walks it loses, and naive serves."""
    panel = walks(8, DAYS, goods=["teh"], regions=["11", "32", "51"])
    weekly = 9_500 * np.exp(0.1 * np.random.default_rng(1).standard_normal((3, 7)))[:, np.arange(DAYS) % 7]
    error = np.exp(0.002 * np.random.default_rng(2).standard_normal(weekly.shape))
    write_daily(of_panel(dataclasses.replace(panel, price=weekly * error)))
    run(Request(models=("seasonal_naive",)))
    assert served() == {"teh": {("seasonal_naive", "1")}}
    write_daily(of_panel(panel), "overwrite")
    run(Request(models=("seasonal_naive",)))
    assert served() == {"teh": {("naive", "0")}}
    assert not tracking.champions()


def test_a_short_history_is_served_by_naive_and_says_so(home: Path):
    write_daily(of_panel(walks(1, 100)))
    assert main(["price"]) == 0
    assert {model for of in served().values() for model, _ in of} == {"naive"}
    assert all("history is too short" in row["gate_reason"] for row in rows_of("gold.forecasts"))
    assert rounds.training_due(rounds.prices(datetime.now(UTC))) is None
    version = DeltaTable(path_of("gold.forecasts")).version()
    assert main(["price", "--if-changed"]) == 0 and DeltaTable(path_of("gold.forecasts")).version() == version
    write_daily(of_panel(walks(1, 110))[-12 * 10 :])
    assert "newly observed" in rounds.training_due(rounds.prices(datetime.now(UTC)))


class Weighed(Naive):
    """A model that says what its features are worth."""

    name = "boosting"

    def __init__(self, shares: dict[str, float]) -> None:
        self.shares = shares

    def importance(self) -> dict[str, float]:
        return self.shares


def test_the_newest_importance_stands_beside_other_models(home: Path):
    """gold.feature_importance: ranks by share, all rows of a model at once."""
    table, now = "gold.feature_importance", datetime(2026, 1, 1, tzinfo=UTC)
    other = {
        "model": "sales",
        "commodity": None,
        "feature": "price",
        "importance": 1.0,
        "rank": 1,
        "run_id": "x",
        "measured_at": now,
    }
    replace(table, pa.Table.from_pylist([other], schema=arrow_schema(contracts()[table])), "other")
    assert write_importance({"naive": Speaker(Naive())}, "run-0") == 0
    assert write_importance({"boosting": Speaker(Weighed({"r_1": 0.2, "gone": 0.8}))}, "run-1") == 2
    assert write_importance({"boosting": Speaker(Weighed({"r_1": 0.3, "r_7": 0.6, "sd14": 0.1}))}, "run-2") == 3
    told = {(row["model"], row["feature"], row["importance"], row["rank"], row["run_id"]) for row in rows_of(table)}
    of_price = {("price", "r_7", 0.6, 1, "run-2"), ("price", "r_1", 0.3, 2, "run-2"), ("price", "sd14", 0.1, 3, "run-2")}
    assert told == {("sales", "price", 1.0, 1, "x")} | of_price


def test_forecasts_reach_as_far_as_the_knob_says(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_FORECAST__HORIZON_DAYS", "28")
    settings.cache_clear()
    assert learned_horizons() == (1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28)
    write_daily(of_panel(noisy(3, DAYS, goods=["teh", "kol"], regions=["11", "32"])))
    run(Request(models=("linear", "drift"), quick=True))
    for name in ("naive", "linear", "drift"):
        rows = [row for row in rows_of("gold.forecasts") if row["model"] == name and row["region_code"] == "32"]
        assert sorted({row["horizon_days"] for row in rows}) == list(range(1, 29)), name
        wide = {(row["commodity"], row["horizon_days"]): row["upper_80_idr"] / row["lower_80_idr"] for row in rows}
        assert all(wide[good, 28] > wide[good, 1] > 1 for good in ("teh", "kol"))


def test_an_ensemble_alone_has_the_usual_members():
    usual = tuple(settings().training.models)
    assert wanted(Request()) == wanted(Request(models=("ensemble",))) == usual
    assert wanted(Request(models=("lstm", "ensemble"))) == (*usual, "lstm")
    assert wanted(Request(models=("ses", "ensemble"))) == ("ses", "ensemble")
    assert wanted(Request(quick=True)) == tuple(settings().training.quick_models)


def test_words_and_codes(home: Path, capsys: pytest.CaptureFixture):
    assert main(["signal"]) == 3 and "no signals yet" in capsys.readouterr().err
    assert main(["price"]) == 3
    with pytest.raises(SystemExit) as refusal:
        main(["weather"])
    assert refusal.value.code == 2
