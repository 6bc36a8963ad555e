"""Python and SQL blocks of README and docs run as printed, on a lake without rows."""

import re
import shlex
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.docs.how_to_pages import HOW_TO
from tests.support import doc_pages
from tests.support.query_lake import run_verb

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Pages add-*.md are executed by test_how_to.py, on a copy of the repository.
PAGES = [
    page for page in doc_pages.written_pages() if not (page.parent == HOW_TO and page.stem.startswith("add-"))
]


def blocks(language: str) -> list[tuple[str, str]]:
    """(page and number, text) of every block of a language."""
    return [
        (f"{page.stem}-{number}", text)
        for page in PAGES
        for number, (kind, text) in enumerate(BLOCK.findall(doc_pages.text_of(page)))
        if kind == language
    ]


@pytest.fixture
def checkout(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose var/lake is a lake with every table."""
    (lake / "var").mkdir()
    (lake / "var" / "lake").symlink_to(lake / "lake")
    monkeypatch.chdir(lake)
    return lake


@pytest.mark.parametrize(
    ("name", "code"), blocks("python"), ids=lambda value: value if "\n" not in value else ""
)
def test_python_block_runs_as_printed(checkout: Path, spark: SparkSession, name: str, code: str) -> None:
    here = code.replace('"var/', f'"{checkout}/var/')  # the JVM of the tests was started in another folder
    exec(compile(here, name, "exec"), {"__name__": name})


def test_queries_run_as_printed(lake: Path) -> None:
    texts = [text for _, text in blocks("bash")] + [
        code for page in PAGES for code in doc_pages.inline_code(page)
    ]
    lines = {line for text in texts for line in text.splitlines() if line.startswith("./run.sh query ")}
    assert len(lines) >= 3
    for line in sorted(lines):
        _, *arguments = shlex.split(line, comments=True)
        done = run_verb({}, *arguments)
        assert done.returncode == 0, f"{line}: {done.stderr}"
