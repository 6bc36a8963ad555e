"""What an answer of a model depends on, as short keys: the data up to it, the model's settings and code, the libraries."""

import ast
import hashlib
import importlib.util
import json
import pickle
import pickletools
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from conf.settings import REPO
from ml.panel import Panel

ALWAYS = ("ml.panel", "ml.forecaster")  # what every answer rests on


def short(parts: Mapping[str, object]) -> str:
    """One key over named parts, the same for the same parts in any order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def model_fingerprint(factory: Callable[[], object]) -> str:
    """Key of what a factory makes: all that the fresh model holds, the code of its classes, the versions of the libraries."""
    model = factory()
    held = pickle.dumps(model, protocol=5)
    rooms = {type(model).__module__.split(".")[0], "ml"}
    named = {word for _, word, _ in pickletools.genops(held) if isinstance(word, str) and word.split(".")[0] in rooms}
    code = code_fingerprint(frozenset({type(model).__module__, *named}))
    return short({"held": hashlib.sha256(held).hexdigest(), "code": code, "versions": versions()})


def data_fingerprint(panel: Panel) -> str:
    """sha256 over names, days, prices and outside values; not over where they came from."""
    digest = hashlib.sha256(repr((panel.commodities, panel.regions, panel.units, str(panel.days[0]))).encode())
    digest.update(panel.price.tobytes())
    for one in panel.outside:
        digest.update(f"{one.name} {one.unit} {one.value.shape}".encode() + one.value.tobytes())
    return digest.hexdigest()


@cache
def code_fingerprint(modules: frozenset[str]) -> str:
    """sha256 over the source of modules and of all modules of their rooms that they import, directly or not."""
    digest = hashlib.sha256()
    for name, file in sorted(_imported({*modules, *ALWAYS}).items()):
        digest.update(f"{name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def versions() -> str:
    """sha256 of the lock file: another version of a library may answer otherwise."""
    return hashlib.sha256((REPO / "requirements.lock").read_bytes()).hexdigest()


def _imported(start: set[str]) -> dict[str, Path]:
    rooms = {name.split(".")[0] for name in start}
    found: dict[str, Path] = {}
    waiting = set(start)
    while waiting:
        name = waiting.pop()
        if name in found or not (file := _file(name)):
            continue
        found[name] = file
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                waiting |= {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        waiting = {one for one in waiting if one.split(".")[0] in rooms}
    return found


def _file(module: str) -> Path | None:
    """The source of a module; None for a name that is no module, or one without Python source."""
    if module in sys.modules:
        origin = getattr(sys.modules[module], "__file__", None)
    else:
        try:
            origin = getattr(importlib.util.find_spec(module), "origin", None)
        except ModuleNotFoundError:
            return None
    return Path(origin) if origin and origin.endswith(".py") else None
