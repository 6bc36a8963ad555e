"""The API on a filled lake, one for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.served_lake import fill


@pytest.fixture(scope="session")
def api(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """On a filled lake. Tests that change the lake start an API of their own."""
    stack = new_stack(tmp_path_factory.mktemp("api"), broker)
    fill(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()
