"""Models that an earlier version has saved: they are skipped with a message, and naive serves."""

import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ml.data.panel import Panel
from ml.forecasts import mlflow_store
from ml.forecasts.fitted_model import NAIVE, FittedModel
from ml.forecasts.issue import append_forecasts, served_models
from ml.models.naive import Drift, Naive
from tests.support.panels import walks

MODULE = "ml_module_of_an_earlier_version"


class Renamed(Naive):
    name = "renamed"


@pytest.fixture
def saved_by_earlier_version(store: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion of one commodity whose class lived in a module that no longer exists."""
    module = ModuleType(MODULE)
    module.Renamed = Renamed
    monkeypatch.setattr(Renamed, "__module__", MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    with mlflow_store.start_run(mlflow_store.EXPERIMENT, {}, {}) as run_id:
        uri, version = mlflow_store.save_model(FittedModel(Renamed(), run_id=run_id))
    mlflow_store.set_newest({"renamed": version}, replaces=True)
    mlflow_store.promote("teh", "renamed", uri, run_id, "it was better", 0.1)
    monkeypatch.delitem(sys.modules, MODULE)


def test_champion_whose_module_is_gone_is_reported_and_naive_serves(
    lake: str, saved_by_earlier_version: None, caplog: pytest.LogCaptureFixture
):
    panel: Panel = walks(1, 400, commodities=("teh", "kol"), regions=("11", "32"))
    served = served_models(panel)
    messages = [record.getMessage() for record in caplog.records if "earlier version" in record.getMessage()]
    assert len(messages) == 2, "one for the newest fit, one for the champion"
    assert all(part in text for text in messages for part in ("model renamed", MODULE, "./run.sh train"))
    assert [model.name for model in served.models] == [NAIVE] and served.champions == {}
    assert append_forecasts(served, panel, None) > 0


class Payload:
    """Its pickle runs code when it is loaded: it creates a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("known", [True, False], ids=["changed file", "hash not noted"])
def test_changed_model_file_is_refused_unloaded_and_naive_serves(
    lake: str, home: Path, known: bool, caplog: pytest.LogCaptureFixture
):
    with mlflow_store.start_run(mlflow_store.EXPERIMENT, {}, {}) as run_id:
        uri, version = mlflow_store.save_model(FittedModel(Drift(), run_id=run_id))
    mlflow_store.set_newest({"drift": version}, replaces=True)
    mlflow_store.promote("teh", "drift", uri, run_id, "it was better", 0.1)
    panel: Panel = walks(1, 400, commodities=("teh", "kol"), regions=("11", "32"))
    assert served_models(panel).champions == {"teh": "drift"}
    trace = home / "code was run"
    if known:
        (pickled,) = (home / "mlflow").rglob("python_model.pkl")
        pickled.write_bytes(pickle.dumps(Payload(trace)))
    else:
        (home / "state" / "models" / "hashes.json").unlink()
    served = served_models(panel)
    assert [model.name for model in served.models] == [NAIVE] and served.champions == {}
    assert not trace.exists()
    messages = [record.getMessage() for record in caplog.records if "is not loaded" in record.getMessage()]
    assert messages and all("hashes.json" in text and "./run.sh train" in text for text in messages)
