"""Every docs/how-to/add-*.md page works as written on a copy of the repository, in few files."""

import ast
import shutil
from pathlib import Path

import pytest
import yaml

from conf.settings import REPO
from scripts.stack import web_page
from tests.docs.how_to_pages import HOW_TO, Edit, apply_edit, copy_repository, read_page, run_test

# Most files that a page may touch; those of a kind are contract, transform and cases.
MOST_FILES = {
    "add-a-kind": 3,
    "add-a-file-format": 1,
    "add-a-shop-catalogue": 1,
    "add-a-source": 2,
    "add-a-gold-table": 4,
    "add-a-model": 2,
    "add-an-endpoint": 2,
    "add-a-page": 4,
    "add-a-history-rule": 2,
    "add-a-row-rule": 1,
}
FEATURE = "add-a-feature"  # is read, not executed: it names the files of a whole feature
FEATURE_FILES = 12
FEATURE_LINES = 650
PAGES = sorted(path.stem for path in HOW_TO.glob("add-*.md") if path.stem != FEATURE)
MOST_LINES = {"add-a-page": 100}
# Half a minute each: they run files of tests in the copy.
LONG = ("add-a-gold-table", "add-an-endpoint", "add-a-page")


@pytest.mark.parametrize("name", PAGES)
def test_page_touches_no_more_files_than_stated(name: str):
    page = read_page(HOW_TO / f"{name}.md")
    assert len(page.files) == page.files_stated <= MOST_FILES[name]
    lines = sum(len(edit.text.splitlines()) for edit in page.edits)
    assert lines <= MOST_LINES.get(name, lines)
    assert page.tests, "a page ends with a test block"


@pytest.mark.parametrize("name", PAGES)
def test_edits_of_a_page_fit_the_files_that_it_changes(name: str, tmp_path: Path):
    """So also by default for the pages whose test blocks take long."""
    page = read_page(HOW_TO / f"{name}.md")
    for changed in {edit.path for edit in page.edits if edit.anchor is not None}:
        (tmp_path / changed).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / changed, tmp_path / changed)
    for edit in page.edits:
        assert edit.anchor is not None or not (REPO / edit.path).exists(), f"{edit.path} exists already"
        apply_edit(edit, tmp_path)
    for path in page.files:
        text = (tmp_path / path).read_text(encoding="utf-8")
        if path.endswith(".py"):
            compile(text, path, "exec")
        elif path.endswith((".yml", ".json")):
            assert yaml.safe_load(text), path


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in PAGES]
)
def test_page_works_as_written(name: str, tmp_path: Path):
    if name == "add-a-page" and web_page.built_digest() is None:
        pytest.skip("the web page is not built: run ./run.sh setup")
    page = read_page(HOW_TO / f"{name}.md")
    copy_repository(tmp_path)
    for edit in page.edits:
        apply_edit(edit, tmp_path)
    for source in page.tests:
        done = run_test(source, tmp_path)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]


def lines_of_code(source: str, is_python: bool) -> int:
    """Lines without blank lines, comments and docstrings."""
    lines = {
        number
        for number, line in enumerate(source.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(ast.parse(source)) if is_python else ():
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_worked_example_of_a_feature_has_few_files_and_lines():
    text = (HOW_TO / f"{FEATURE}.md").read_text(encoding="utf-8")
    files = [REPO / name for name in text.partition("```text\n")[2].partition("```")[0].split()]
    named = {file.parent for file in files}
    left_out = [file for file in REPO.glob("lakehouse/supply/*.py") if file.name != "__init__.py"]
    assert set(left_out) <= set(files) and REPO / "lakehouse" / "gold" in named
    lines = sum(lines_of_code(file.read_text(encoding="utf-8"), file.suffix == ".py") for file in files)
    assert len(files) <= FEATURE_FILES and lines <= FEATURE_LINES, (len(files), lines)


def test_edit_whose_anchor_is_not_unique_fails(tmp_path: Path):
    (tmp_path / "x.py").write_text("a = 1\na = 2\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="2 lines contain"):
        apply_edit(Edit("x.py", "b = 3\n", "a ="), tmp_path)


def test_failing_test_block_is_reported(tmp_path: Path):
    assert run_test("raise SystemExit(1)", tmp_path).returncode == 1
