"""The API on a lake of forecasts; nothing here needs Kafka."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api, new_stack
from tests.support.forecast_lake import fill_models
from tests.support.served_lake import fill


def start_api(home: Path, filled: bool = True) -> Api:
    """An API of its own, without Kafka."""
    stack = new_stack(home)
    if filled:
        fill(stack.lake_root)
        fill_models(stack.lake_root)
    return Api(stack)


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """On a filled lake."""
    running = start_api(tmp_path_factory.mktemp("models"))
    yield running
    running.stop()


@pytest.fixture(scope="package")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Before any training."""
    running = start_api(tmp_path_factory.mktemp("bare"), filled=False)
    yield running
    running.stop()
