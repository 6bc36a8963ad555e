"""`doctor`: what it finds in files that a person wrote."""

from pathlib import Path

import pytest

from conf.settings import settings
from scripts.commands.doctor import findings
from scripts.stack import lifecycle


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


@pytest.mark.parametrize("folder", ["/proc/no-folder", "a-file"])
def test_home_that_cannot_be_written_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setattr(settings(), "home", tmp_path / folder)
    (home_finding,) = [finding for finding in findings() if finding.name == "home"]
    assert not home_finding.ok and str(tmp_path / folder) in home_finding.detail
    with pytest.raises(SystemExit) as ended:
        lifecycle.up()
    assert ended.value.code == 3
