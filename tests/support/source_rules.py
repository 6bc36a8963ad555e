"""What the source tree must look like, as functions over its files: layers, cycles, names, line shapes."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

from conf.settings import REPO

PRODUCT = ("conf", "lakehouse", "producers", "streaming_jobs", "ml", "serving_api", "scripts")
# Parts of snake_case and CamelCase names that have a term of the field instead.
WORDS_NOT_IN_NAMES = {
    "told": "reported",
    "tell": "report",
    "tells": "reports",
    "said": "reported",
    "says": "description",
    "asked": "requested",
    "asks": "requests",
    "heard": "considered",
    "speaks": "serves",
    "speaker": "fitted model",
    "speakers": "fitted models",
    "stands": "current",
    "worthy": "passes the gate",
    "beside": "with",
    "good": "commodity",
    "goods": "commodities",
    "doubt": "quarantine",
    "marks": "outcomes",
    "hot": "refreshed per batch",
    "slow": "refreshed within seconds",
    "heavy": "refreshed in background",
    "learned": "refreshed by training",
}
# Whole names that do not describe what they hold.
NAMES_NOT_USED = {"found", "one", "made", "how", "where", "thing", "stuff", "it"}
WORD_EXCEPTIONS: set[str] = set()


@cache
def tracked(*patterns: str) -> tuple[Path, ...]:
    """Files under version control or about to be, as at the first call; caches and downloads are not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    names = listed.stdout.split("\0")
    return tuple(REPO / name for name in names if name and (REPO / name).is_file())


def modules(*folders: str) -> list[Path]:
    """Python files of the given top-level folders, of all of them without one."""
    return [file for file in tracked("*.py") if not folders or file.relative_to(REPO).parts[0] in folders]


@dataclass(frozen=True)
class SourceFacts:
    """What the rules read of a module. `names` and `crowded` hold lines as well."""

    docstring: str
    imports: tuple[str, ...]
    names: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    crowded: tuple[int, ...]


@cache
def facts_of(file: Path) -> SourceFacts:
    """Of a file as it is at the first call: all rules share one parse."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    return SourceFacts(
        docstring=ast.get_docstring(tree) or "",
        imports=tuple(imported(nodes)),
        names=tuple(bound_names(nodes)),
        classes=tuple(node.name for node in nodes if isinstance(node, ast.ClassDef)),
        crowded=tuple(node.lineno for node in nodes if isinstance(node, ast.Assign) and is_crowded(node)),
    )


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Dotted names of everything that a module imports."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def bound_names(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """(name, line) of the variables, parameters, functions, classes and fields that a module defines."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def is_crowded(node: ast.Assign) -> bool:
    """Whether an assignment packs three or more independent values into one statement."""
    return (
        isinstance(node.value, ast.Tuple)
        and isinstance(node.targets[0], ast.Tuple)
        and len(node.value.elts) >= 3
    )


@cache
def parts_of(name: str) -> frozenset[str]:
    """`_heavyGold` and `background_gold` -> {"heavy", "gold"}."""
    return frozenset(part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name))


def unclear_names(file: Path) -> list[str]:
    """`path:line name` of names that hold a word from WORDS_NOT_IN_NAMES or are one of NAMES_NOT_USED."""
    unclear = {
        (line, name)
        for name, line in facts_of(file).names
        if name not in WORD_EXCEPTIONS
        and (name.strip("_") in NAMES_NOT_USED or parts_of(name) & WORDS_NOT_IN_NAMES.keys())
    }
    return [f"{file.relative_to(REPO)}:{line} {name}" for line, name in sorted(unclear)]


def crowded_assignments(file: Path) -> list[str]:
    """`path:line` of crowded assignments."""
    return [f"{file.relative_to(REPO)}:{line}" for line in facts_of(file).crowded]


def classes_of_one_name() -> dict[str, list[str]]:
    """Class name -> modules of product code that define it, for names defined more than once."""
    places = defaultdict(list)
    for file in modules(*PRODUCT):
        for name in facts_of(file).classes:
            if not name.startswith("_"):
                places[name].append(str(file.relative_to(REPO)))
    return {name: sorted(files) for name, files in sorted(places.items()) if len(files) > 1}


def import_graph() -> dict[str, set[str]]:
    """Module -> modules of this repository that it imports, also in functions and TYPE_CHECKING blocks."""
    graph = grimp.build_graph(*PRODUCT, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def import_cycle() -> list[str]:
    """Modules of one import cycle, empty when there is none."""
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []
