"""What tests of the models share: a home without a broker, and the Spark session of the lakehouse's tests."""

from pathlib import Path

import pytest

from tests.lakehouse.conftest import spark  # noqa: F401 a fixture is found by its name


@pytest.fixture
def home(lone_home: Path) -> Path:
    (lone_home / "state").mkdir()
    return lone_home
