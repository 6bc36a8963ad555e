"""The real API process on a lake of forecasts; nothing here needs Kafka."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conf.settings import REPO
from tests.integration.stack import Stack
from tests.serving_api.conftest import Api, fill
from tests.serving_api.forecast_lake import fill_models


def started(home: Path, filled: bool = True) -> Api:
    """A running API of its own."""
    stack = Stack(home)
    subprocess.run([sys.executable, "-m", "scripts.secrets_file"], cwd=REPO, env=stack.env, check=True, capture_output=True)
    if filled:
        fill(stack.lake_root)
        fill_models(stack.lake_root)
    return Api(stack)


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """On a filled lake."""
    running = started(tmp_path_factory.mktemp("models"))
    yield running
    running.stop()


@pytest.fixture(scope="package")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Before anything was trained."""
    running = started(tmp_path_factory.mktemp("bare"), filled=False)
    yield running
    running.stop()
