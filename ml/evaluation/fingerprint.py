"""Keys of all that a forecast depends on: the data up to it, the model's settings and code, the libraries."""

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

import numpy as np

from conf.settings import REPO
from ml.data.panel import Panel

ALWAYS = ("ml.data.panel", "ml.models.forecaster")  # modules that every forecast depends on


def short(parts: Mapping[str, object]) -> str:
    """24 hexadecimal digits over named parts, the same for the same parts in any order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def model_fingerprint(factory: Callable[[], object]) -> str:
    """Key of the model that a factory makes.

    Its attributes, the code of its classes, the versions of the libraries.
    """
    model = factory()
    pickled = pickle.dumps(model, protocol=5)
    packages = {type(model).__module__.split(".")[0], "ml"}
    modules = {
        name
        for _, name, _ in pickletools.genops(pickled)
        if isinstance(name, str) and name.split(".")[0] in packages
    }
    code = code_fingerprint(frozenset({type(model).__module__, *modules}))
    return short({"held": hashlib.sha256(pickled).hexdigest(), "code": code, "versions": versions()})


def data_fingerprint(panel: Panel) -> str:
    """sha256 over names, days, prices and exogenous values; not over their source.

    An exogenous series without a value counts as absent: features see no difference.
    """
    names = (panel.commodities, panel.regions, panel.units, str(panel.days[0]))
    digest = hashlib.sha256(repr(names).encode())
    digest.update(panel.price.tobytes())
    for series in panel.exogenous:
        if not np.isfinite(series.value).any():
            continue
        digest.update(f"{series.name} {series.unit} {series.value.shape}".encode() + series.value.tobytes())
    return digest.hexdigest()


@cache
def code_fingerprint(modules: frozenset[str]) -> str:
    """sha256 over the source of modules and of all modules of their packages that they import."""
    digest = hashlib.sha256()
    for name, file in sorted(_imported({*modules, *ALWAYS}).items()):
        digest.update(f"{name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def versions() -> str:
    """sha256 of the lock file: another version of a library may forecast otherwise."""
    return hashlib.sha256((REPO / "requirements.lock").read_bytes()).hexdigest()


def _imported(start: set[str]) -> dict[str, Path]:
    """Module -> file of `start` and of all that they import, within the packages of `start`."""
    packages = {name.split(".")[0] for name in start}
    files: dict[str, Path] = {}
    waiting = set(start)
    while waiting:
        name = waiting.pop()
        if name in files or not (file := _file(name)):
            continue
        files[name] = file
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                waiting |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        waiting = {name for name in waiting if name.split(".")[0] in packages}
    return files


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
