"""`doctor`: what it finds in files that a person wrote."""

from pathlib import Path

import pytest

from conf.settings import settings
from scripts.commands.doctor import findings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings(), "home", tmp_path)
    return tmp_path


def test_own_formats_are_named_and_a_faulty_one_has_its_remedy(home: Path):
    (home / "sources").mkdir()
    (home / "sources" / "mine.yml").write_text("description: x\n")
    usable, faulty = [finding for finding in findings() if finding.name == "file formats"]
    assert usable.ok and str(home / "sources" / "mine.yml") in usable.detail
    assert not faulty.ok and "mine.yml: the key 'layout' is missing" in faulty.detail
    assert faulty.remedy == "correct it; every key is in docs/how-to/add-a-file-format.md"
