"""Rules over every file: layers, import cycles, purity of lakehouse/, names, lengths, locks."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from conf.settings import REPO
from tests.support.source_rules import (
    classes_of_one_name,
    crowded_assignments,
    facts_of,
    import_cycle,
    imported,
    modules,
    tracked,
    unclear_names,
)

PROGRAMS = {"producers", "streaming_jobs", "ml", "serving_api"}
FOLDERS = {"conf", "lakehouse", "scripts", "tests", *PROGRAMS}
IO = "lakehouse/io"  # touches disk and network: a layer of its own above the pure part of lakehouse
MAY_IMPORT = {
    "conf": set(),
    "lakehouse": set(),
    IO: {"conf", "lakehouse"},
    **{side: {"conf", "lakehouse", IO} for side in PROGRAMS},
    "scripts": {"conf", "lakehouse", IO, *PROGRAMS},
    "tests": {"conf", "lakehouse", IO, *PROGRAMS, "scripts"},
}
LAKEHOUSE_LIBRARIES = {
    "talib",
    "yaml",
    "orjson",
    "pydantic",
    "pydantic_core",
    "pyspark",
    "pyarrow",
    "numpy",
    "sklearn",
    "sqlglot",
    "duckdb",
    "holidays",
    "exchange_calendars",
    "zxcvbn",
}
IMPURE_MODULES = {
    "os",
    "sys",
    "time",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "asyncio",
    "tempfile",
    "shutil",
    "logging",
}
IMPURE_CALLS = {
    "open",
    "print",
    "input",
    "now",
    "today",
    "utcnow",
    "current_timestamp",
    "current_date",
    "rand",
    "uuid1",
}
IMPURE_METHODS = {
    "getOrCreate",
    "save",
    "saveAsTable",
    "writeStream",
    "readStream",
    "write_text",
    "write_bytes",
    "mkdir",
    "unlink",
}
MAY_READ_FILES = {
    "lakehouse/translation.py",
    "lakehouse/contracts/contract.py",
    "lakehouse/reference_files.py",
    "lakehouse/validation/prices/isolation_forest.py",
    "lakehouse/sentiment/lexicon.py",
    "lakehouse/supply/disasters.py",
}
# Every process must see the same lists, also one that only computes: the folder is no argument.
READS_HOME = "lakehouse/reference_files.py"
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager"}
LONG_FILE_LINES = 400
SHORT_FILE_LINES = 40
MOST_MODULES_A_FOLDER = 24


def layer_of(path: str) -> str:
    """The layer that a file (path) or module (dotted name) belongs to."""
    parts = path.replace(".", "/").split("/")
    return IO if parts[:2] == IO.split("/") else parts[0]


def upward_imports(layer: str, imports: Iterable[str]) -> list[str]:
    """Imports of a module of `layer` that point up or sideways."""
    return [
        name
        for name in imports
        if name.split(".")[0] in FOLDERS
        and (target := layer_of(name)) != layer
        and target not in MAY_IMPORT[layer]
    ]


def impure(source: str, reads_files: bool = False) -> list[str]:
    """What a module of lakehouse/ uses that is not a pure function of its arguments."""
    nodes = list(ast.walk(ast.parse(source)))
    uses = []
    for name in imported(nodes):
        top = name.split(".")[0]
        known = top in sys.stdlib_module_names or top in LAKEHOUSE_LIBRARIES or top == "lakehouse"
        if not known or top in IMPURE_MODULES:
            uses.append(f"import {name}")
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in IMPURE_CALLS or (name in {"read_text", "read_bytes"} and not reads_files):
                uses.append(f"{name}()")
        if isinstance(node, ast.Attribute) and (node.attr in IMPURE_METHODS or node.attr == "environ"):
            uses.append(f".{node.attr}")
    return uses


def test_imports_point_downwards_only():
    faults = {
        name: wrong
        for file in modules()
        if (name := str(file.relative_to(REPO))) != READS_HOME
        and (wrong := upward_imports(layer_of(name), facts_of(file).imports))
    }
    assert upward_imports("lakehouse", facts_of(REPO / READS_HOME).imports) == ["conf.settings"]
    assert not faults


def test_lakehouse_is_pure():
    faults = {}
    for file in modules("lakehouse"):
        name = str(file.relative_to(REPO))
        if layer_of(name) == IO:
            continue
        wrong = impure(file.read_text(encoding="utf-8"), reads_files=name in MAY_READ_FILES)
        if wrong and (name, wrong) != (READS_HOME, ["import conf.settings"]):
            faults[name] = wrong
    assert not faults


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from conf.settings import settings",
        "import confluent_kafka",
        "from datetime import datetime\nx = datetime.now()",
        "open('x')",
        "from pathlib import Path\nPath('x').read_text()",
        "def f(df): df.write.format('delta').save('x')",
        "from pyspark.sql import SparkSession\ns = SparkSession.builder.getOrCreate()",
    ],
)
def test_purity_check_finds_impure_source(source: str):
    assert impure(source)


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("producers", "import serving_api.app"),
        ("conf", "from lakehouse import event"),
        ("lakehouse", "import conf"),
        ("lakehouse", "from lakehouse.io import kafka"),
        ("scripts", "from tests.support import lake"),
    ],
)
def test_import_check_finds_upward_import(layer: str, source: str):
    assert upward_imports(layer, imported(ast.walk(ast.parse(source))))


def test_only_settings_reads_the_environment():
    readers = []
    for file in modules():
        name = str(file.relative_to(REPO))
        reads = re.search(
            r"os\.environ(?!\[\"\w+\"\] =|\.setdefault)|os\.getenv", file.read_text(encoding="utf-8")
        )
        if reads and name != "conf/settings.py" and not name.startswith("tests/"):
            readers.append(name)
    assert not readers


def test_every_module_has_a_docstring():
    silent = []
    for file in modules():
        first = facts_of(file).docstring.splitlines()
        if file.read_text(encoding="utf-8").strip() and (not first or len(first[0]) < 10):
            silent.append(str(file.relative_to(REPO)))
    assert not silent


def test_no_file_has_a_name_without_content():
    assert not [
        str(file) for file in modules() if set(file.relative_to(REPO).with_suffix("").parts) & FORBIDDEN_NAMES
    ]


def test_files_are_short():
    lengths = {
        str(file.relative_to(REPO)): len(file.read_text(encoding="utf-8").splitlines()) for file in modules()
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONG_FILE_LINES}


def test_folders_hold_few_modules():
    counts = Counter(file.relative_to(REPO).parent for file in modules() if file.stem != "__init__")
    assert not {str(folder): count for folder, count in counts.items() if count > MOST_MODULES_A_FOLDER}


def test_small_file_belongs_to_its_importer():
    """A file of few lines that one other file imports is a part of that file; a registered plug-in is not."""
    product = modules(*sorted(FOLDERS - {"tests"}))
    importers = Counter(name for file in product for name in set(facts_of(file).imports))
    small = [
        str(file.relative_to(REPO))
        for file in product
        if file.stem not in ("__init__", "__main__")
        and "migrations" not in file.parts
        and len(file.read_text(encoding="utf-8").splitlines()) < SHORT_FILE_LINES
        and importers[".".join(file.relative_to(REPO).with_suffix("").parts)] == 1
    ]
    assert not small


def test_no_import_cycle_through_any_import():
    """Imports below TYPE_CHECKING and inside functions count."""
    assert not import_cycle()


def test_no_route_imports_a_route():
    faults = {}
    for file in (REPO / "serving_api").glob("*/**/*.py"):
        if file.relative_to(REPO).parts[1] not in ("routes", "listings"):
            continue
        routes = [name for name in facts_of(file).imports if name.startswith("serving_api.routes")]
        if routes and file.stem != "__init__":
            faults[file.name] = routes
    assert not faults


def test_tables_import_nothing_of_later_layers():
    later = {"bronze": ("silver", "gold"), "silver": ("gold",)}
    faults = {
        str(file.relative_to(REPO)): wrong
        for layer, after in later.items()
        for file in modules("lakehouse")
        if file.parent == REPO / "lakehouse" / layer
        and (wrong := [name for name in facts_of(file).imports if name.split(".")[:2][-1] in after])
    }
    assert not faults


def test_a_class_name_means_one_class():
    assert not classes_of_one_name()


def test_names_use_the_terms_of_the_field():
    """The lists are WORDS_NOT_IN_NAMES and NAMES_NOT_USED in tests/support/source_rules.py."""
    assert not [name for file in modules() for name in unclear_names(file)]


def test_assignments_hold_one_idea():
    assert not [place for file in modules() for place in crowded_assignments(file)]


def test_no_file_names_a_machine_or_a_package_host():
    """Neither paths of the machine it was written on nor hosts of package mirrors."""
    pattern = re.compile(
        r"/(?:root|home/\w+|work)/\w|https?://[^\s\"']*(?:artifactory|nexus|pypi\.internal|index-url)|--(?:extra-)?index-url"
    )
    named = {}
    for file in tracked():
        if file == Path(__file__) or file.stat().st_size > 3_000_000:
            continue
        if match := pattern.search(file.read_text(encoding="utf-8", errors="replace")):
            named[str(file.relative_to(REPO))] = match[0]
    assert not named


def test_locks_pin_everything_by_checksum():
    for lock in ("requirements.lock", "bootstrap.lock"):
        pins = re.split(r"\n(?=[a-zA-Z])", (REPO / lock).read_text(encoding="utf-8").strip())
        assert pins and not [pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin]
