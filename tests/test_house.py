"""The house rules, checked over every file: who may import whom, what lakehouse/ may touch, what every file and table says."""

import ast
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from conf.settings import REPO

SIDES = {"producers", "streaming_jobs", "ml", "serving_api"}
ROOMS = {"conf", "lakehouse", "scripts", "tests", *SIDES}
MAY_IMPORT = {
    "conf": set(),
    "lakehouse": set(),
    "scripts": ROOMS,
    "tests": ROOMS,
    **{side: {"conf", "lakehouse"} for side in SIDES},
}
LAKEHOUSE_LIBRARIES = {"yaml", "orjson", "pyspark", "pyarrow", "numpy", "sklearn"}
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
IMPURE_CALLS = {"open", "print", "input", "now", "today", "utcnow", "current_timestamp", "current_date", "rand", "uuid1"}
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
MAY_READ_FILES = {"lakehouse/contract.py", "lakehouse/reference.py"}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager"}
LONG_FILE = 250


def tracked(*patterns: str) -> list[Path]:
    """Files under version control or about to be; caches and downloads are not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return [REPO / name for name in listed.stdout.split("\0") if name and (REPO / name).is_file()]


def modules(room: str | None = None) -> list[Path]:
    return [file for file in tracked("*.py") if room is None or file.relative_to(REPO).parts[0] == room]


def imported(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return found


def sideways(room: str, source: str) -> list[str]:
    """Imports of `source`, a module of `room`, that the house forbids."""
    return [
        name
        for name in imported(ast.parse(source))
        if (top := name.split(".")[0]) in ROOMS and top != room and top not in MAY_IMPORT[room]
    ]


def impure(source: str, reads_files: bool = False) -> list[str]:
    """What a module of lakehouse/ uses that is not a pure function of its arguments."""
    tree, found = ast.parse(source), []
    for name in imported(tree):
        top = name.split(".")[0]
        known = top in sys.stdlib_module_names or top in LAKEHOUSE_LIBRARIES or top == "lakehouse"
        if not known or top in IMPURE_MODULES:
            found.append(f"import {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in IMPURE_CALLS or (name in {"read_text", "read_bytes"} and not reads_files):
                found.append(f"{name}()")
        if isinstance(node, ast.Attribute) and (node.attr in IMPURE_METHODS or node.attr == "environ"):
            found.append(f".{node.attr}")
    return found


def test_rooms_import_only_downwards():
    faults = {
        str(file.relative_to(REPO)): wrong
        for room in ROOMS
        for file in modules(room)
        if (wrong := sideways(room, file.read_text(encoding="utf-8")))
    }
    assert not faults


def test_lakehouse_is_pure():
    faults = {}
    for file in modules("lakehouse"):
        name = str(file.relative_to(REPO))
        if wrong := impure(file.read_text(encoding="utf-8"), reads_files=name in MAY_READ_FILES):
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
def test_the_purity_check_sees(source: str):
    assert impure(source)


@pytest.mark.parametrize(
    ("room", "source"),
    [("producers", "import serving_api.app"), ("conf", "from lakehouse import event"), ("lakehouse", "import conf")],
)
def test_the_import_check_sees(room: str, source: str):
    assert sideways(room, source)


def test_only_settings_reads_the_environment():
    readers = []
    for file in modules():
        name = str(file.relative_to(REPO))
        reads = re.search(r"os\.environ(?!\[\"\w+\"\] =|\.setdefault)|os\.getenv", file.read_text(encoding="utf-8"))
        if reads and name != "conf/settings.py" and not name.startswith("tests/"):
            readers.append(name)
    assert not readers


def test_every_module_opens_with_a_line_that_says_what_it_is():
    silent = []
    for file in modules():
        text = file.read_text(encoding="utf-8")
        first = (ast.get_docstring(ast.parse(text)) or "").splitlines()
        if text.strip() and (not first or len(first[0]) < 10):
            silent.append(str(file.relative_to(REPO)))
    assert not silent


def test_names_say_what_is_inside():
    assert not [str(file) for file in modules() if set(file.relative_to(REPO).with_suffix("").parts) & FORBIDDEN_NAMES]


def test_files_hold_one_idea():
    lengths = {str(file.relative_to(REPO)): len(file.read_text(encoding="utf-8").splitlines()) for file in modules()}
    long = {name: lines for name, lines in lengths.items() if lines > LONG_FILE}
    if long:
        warnings.warn(f"past {LONG_FILE} lines, would two ideas live better apart? {long}", stacklevel=1)
    assert not {name: lines for name, lines in long.items() if lines > 1.5 * LONG_FILE}


def test_no_file_names_a_machine():
    """Neither paths of the machine it was written on nor hosts of package mirrors."""
    pattern = re.compile(
        r"/(?:root|home/\w+|work)/\w|https?://[^\s\"']*(?:artifactory|nexus|pypi\.internal|index-url)|--(?:extra-)?index-url"
    )
    named = {}
    for file in tracked():
        if file == Path(__file__) or file.stat().st_size > 3_000_000:
            continue
        if found := pattern.search(file.read_text(encoding="utf-8", errors="replace")):
            named[str(file.relative_to(REPO))] = found[0]
    assert not named


def test_locks_pin_everything_by_checksum():
    for lock in ("requirements.lock", "bootstrap.lock"):
        pins = re.split(r"\n(?=[a-zA-Z])", (REPO / lock).read_text(encoding="utf-8").strip())
        assert pins and not [pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin]


def test_every_module_can_be_imported():
    """What no other test runs must at least find the names that it asks for."""
    rooms = sorted(ROOMS - {"tests"})
    files = [file.relative_to(REPO) for room in rooms for file in sorted((REPO / room).rglob("*.py")) if file.stem != "__main__"]
    names = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files]
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-c", program, *names], cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
