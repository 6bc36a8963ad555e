"""docs/reference is what `./run.sh docs` renders today, and the check names a page that is not."""

from pathlib import Path

from scripts.commands.docs import stale_pages, write_pages


def test_reference_pages_are_current():
    assert not stale_pages(), "run ./run.sh docs"


def test_a_changed_page_is_named_and_written_again(tmp_path: Path):
    assert len(write_pages(tmp_path)) == 7
    (tmp_path / "knobs.md").write_text("# Knobs\n", encoding="utf-8")
    (tmp_path / "rules.md").unlink()
    assert stale_pages(tmp_path) == ["knobs.md", "rules.md"]
    assert write_pages(tmp_path) == ["knobs.md", "rules.md"]
    assert not stale_pages(tmp_path)
