"""A home without formats of its own."""

from pathlib import Path

import pytest

from conf.settings import settings


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LUMBUNG_HOME/sources, empty."""
    monkeypatch.setattr(settings(), "home", tmp_path / "home")
    folder = tmp_path / "home" / "sources"
    folder.mkdir(parents=True)
    return folder
