"""What tests of the models share: a home without a broker, and a lake in it."""

from pathlib import Path

import pytest

from conf.settings import settings
from tests.support.empty_lake import copy_empty_store, copy_empty_tables


@pytest.fixture
def home(lone_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a broker, whose rounds of training run at normal priority: others would starve them."""
    monkeypatch.setenv("LUMBUNG_TRAINING__NICENESS", "0")
    settings.cache_clear()
    (lone_home / "state").mkdir()
    return lone_home


@pytest.fixture
def lake(home: Path) -> str:
    """Root of a lake whose tables exist and are empty."""
    copy_empty_tables()
    return settings().lake_root


@pytest.fixture
def store(home: Path) -> None:
    """A store of MLflow without runs: a round of training would first make one."""
    copy_empty_store()


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of prices draw nothing: six figures take longer than the models of a test."""
    monkeypatch.setattr("ml.forecasts.promotion.save_plots", lambda assessment, folder: [])
