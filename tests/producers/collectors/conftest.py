"""The stream that takes up what was collected, and knobs that lose no time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conf.collected_sources import collected_sources
from conf.settings import settings
from tests.conftest import Broker
from tests.streaming_jobs.conftest import Stream

SetKnobs = Callable[..., None]


@pytest.fixture
def knobs(home: Path, monkeypatch: pytest.MonkeyPatch) -> SetKnobs:
    """Sets collectors.<name> for this process and its children."""

    def set_knobs(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"LUMBUNG_COLLECTORS__{name.upper()}", value)
        settings.cache_clear()

    paces = ", ".join(f'"{name}": 1e6' for name in collected_sources())
    set_knobs(retry_seconds="0.01", request_seconds="60", requests_per_minute=f"{{{paces}}}")
    return set_knobs


@pytest.fixture
def landed(real_broker: Broker, home: Path) -> Stream:
    """The embedded engine over an empty lake."""
    return Stream(None, real_broker)
