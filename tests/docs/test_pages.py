"""What README and docs state is true: verbs, options, paths, links, tables, knobs, addresses, findings."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from conf.settings import REPO, Secrets
from lakehouse.contracts.contract import contracts
from lakehouse.io.source_files.field_map import FieldMap, TimeMap
from lakehouse.io.source_files.source_format import EventMap, SourceFormat
from tests.docs.how_to_pages import HOW_TO, read_page
from tests.support import doc_pages
from tests.support.source_rules import PRODUCT, WORDS_NOT_IN_NAMES, modules, tracked

PAGES = doc_pages.written_pages()
MOST_LINES = {"README.md": 120, "docs/explanation/architecture.md": 120}
# English adjectives that are only unclear as names; `commodity` has its own rule below.
PLAIN_WORDS = {"good", "hot", "slow", "heavy", "marks", "learned"}
WORDS_NOT_IN_PROSE = {
    *(WORDS_NOT_IN_NAMES.keys() - PLAIN_WORDS),
    *("anew", "doubtful", "doubts", "judge", "judged", "speak", "hot gold", "slow gold", "heavy gold"),
}


def page_id(page: Path) -> str:
    return str(page.relative_to(REPO))


every_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


@pytest.mark.parametrize(("name", "most"), MOST_LINES.items())
def test_page_is_short(name: str, most: int):
    assert len((REPO / name).read_text(encoding="utf-8").splitlines()) <= most


@every_page
def test_links_resolve(page: Path):
    assert not doc_pages.broken_links(page)


@every_page
def test_tests_that_it_names_exist(page: Path):
    sources = "\n".join(file.read_text(encoding="utf-8") for file in tracked("tests/*.py"))
    defined = set(re.findall(r"def (test_\w+)", sources))
    assert set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))) - defined == set()


@every_page
def test_verbs_and_options_exist(page: Path):
    known = doc_pages.known_options()
    unknown = [
        (verb, option)
        for verb, options in doc_pages.commands(page)
        for option in ([""] if verb not in known else [name for name in options if name not in known[verb]])
        if verb not in ("setup", "test") or option
    ]
    assert not unknown


@every_page
def test_paths_exist(page: Path):
    made_by_page = read_page(page).files if page.parent == HOW_TO and page.stem.startswith("add-") else set()
    paths = {path.rstrip(".") for path in doc_pages.PATH.findall(doc_pages.text_of(page))}
    assert not [path for path in sorted(paths - made_by_page) if not (REPO / path).exists()]


@every_page
def test_tables_exist(page: Path):
    shown = " ".join(doc_pages.inline_code(page)) + " ".join(doc_pages.FENCE.findall(doc_pages.text_of(page)))
    tables = set(re.findall(r"(?<![\w./])(?:bronze|silver|gold)\.[a-z_]+\b", shown))
    created = {path.removeprefix("lakehouse/").removesuffix(".yml").replace("/", ".") for path in _new(page)}
    assert not tables - contracts().keys() - created


def _new(page: Path) -> set[str]:
    return read_page(page).files if page.parent == HOW_TO and page.stem.startswith("add-") else set()


@every_page
def test_knobs_exist(page: Path):
    knobs = yaml.safe_load((REPO / "conf" / "lumbung.yml").read_text(encoding="utf-8"))
    named = [
        re.fullmatch(r"([a-z]+)\.([a-z_]+)(?:\.[a-z_-]+)?", code) for code in doc_pages.inline_code(page)
    ]
    assert not [
        match[0] for match in named if match and match[1] in knobs and match[2] not in knobs[match[1]]
    ]


@every_page
def test_variables_exist(page: Path):
    known = (doc_pages.REFERENCE / "knobs.md").read_text(encoding="utf-8")
    secrets = {f"LUMBUNG_{name.upper()}" for name in Secrets.model_fields}
    unlisted = {"LUMBUNG_WHOLE_SETS", "LUMBUNG_TEST_RERUN", *secrets}  # switches of the tests
    named = set(re.findall(r"\bLUMBUNG_\w+", doc_pages.text_of(page)))
    assert not [name for name in named if f"`{name}`" not in known and name not in unlisted]


@every_page
def test_addresses_exist(page: Path):
    known = (doc_pages.REFERENCE / "api.md").read_text(encoding="utf-8")
    addresses = [code for code in doc_pages.inline_code(page) if re.match(r"(GET|POST) /", code)]
    assert not [address for address in addresses if f"`{address}`" not in known]


@every_page
def test_prose_uses_plain_words(page: Path):
    text = doc_pages.prose(page).lower()
    assert not [word for word in sorted(WORDS_NOT_IN_PROSE) if re.search(rf"\b{word}\b", text)]


def test_architecture_names_ten_tasks_with_their_files():
    section = doc_pages.text_of(REPO / "docs" / "explanation" / "architecture.md").split("## Ten tasks")[1]
    tasks = re.findall(r"^\| \d+\. .*\| (.*) \|$", section, re.MULTILINE)
    assert len(tasks) == 10 and all(doc_pages.PATH.search(files) for files in tasks)


@pytest.mark.parametrize("model", [SourceFormat, EventMap, TimeMap, FieldMap])
def test_every_key_of_a_source_format_is_explained(model: type[BaseModel]):
    page = doc_pages.text_of(HOW_TO / "add-a-file-format.md")
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert not [key for key in keys if not re.search(rf"^(\| )?`{key}`", page, re.MULTILINE)]


@pytest.mark.parametrize("module", ["scripts/commands/doctor.py", "streaming_jobs/startup/checks.py"])
def test_every_finding_has_its_remedy(module: str):
    page = doc_pages.text_of(HOW_TO / "recover.md")
    names = finding_names(REPO / module)
    assert names
    assert not [name for name in names if f"`{name}" not in page]


def finding_names(file: Path) -> set[str]:
    """Constant beginning of the first argument of every Finding, and values of local variables `name`."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding" and node.args:
            first = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if isinstance(first, ast.Constant):
                names.add(first.value)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "name":
            names.add(node.value.value)
    return names


def test_every_held_lock_is_explained():
    page = doc_pages.text_of(HOW_TO / "recover.md")
    sources = [file.read_text(encoding="utf-8") for file in modules(*PRODUCT)]
    pattern = re.compile(r'"(another [a-z ]+ (?:runs|writes[a-z ]*|refreshes[a-z ]*))[";]')
    messages = {text for source in sources for text in pattern.findall(source)}
    assert len(messages) >= 4
    assert not [message for message in messages if message not in page]
