"""Every module can be imported, and each process loads only the libraries that it uses: they cost memory."""

import subprocess
import sys

import pytest

from conf.settings import REPO
from tests.support.source_rules import PRODUCT

CONTRACTS = "from lakehouse.contracts.contract import kinds; kinds()"
DOORS = "producers.mqtt.gateway, producers.collectors.service, producers.csv.folder_watch"
SCORED = "from lakehouse.validation.prices.isolation_forest import *; score(reference_sample()[:3])"

READING = """import sys
from streaming_jobs.embedded import reader
sys.meta_path.insert(0, reader.WithoutPandas())
assert reader.record_batch([]).num_rows == 0"""
EMBEDDED = """import os
os.environ["LUMBUNG_STREAM__ENGINE"] = "embedded"
import streaming_jobs.run
streaming_jobs.run.load_engine()"""


def loaded_after(code: str) -> set[str]:
    """Top-level modules in memory after the code has run in a process of its own."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "unused"),
    [
        (f"import serving_api.app, ml.trainer; {SCORED}", {"sklearn", "pyspark", "sqlglot"}),
        ("import streaming_jobs.gold.runner", {"sklearn", "pyspark", "sqlglot", "confluent_kafka"}),
        (EMBEDDED, {"pyspark", "py4j", "sklearn"}),
        (READING, {"pandas", "duckdb", "deltalake", "pydantic", "yaml"}),
        (f"import {DOORS}; {CONTRACTS}", {"pandas", "pyarrow", "deltalake", "sqlglot"}),
    ],
)
def test_a_process_loads_no_library_that_it_does_not_use(code: str, unused: set[str]) -> None:
    """Processes with the same unused libraries are imported together: what none loads, all do not load."""
    assert not loaded_after(code) & unused


def test_every_module_can_be_imported():
    """A module that no other test runs must at least find the names that it imports."""
    files = [
        file.relative_to(REPO)
        for folder in PRODUCT
        for file in sorted((REPO / folder).rglob("*.py"))
        if file.stem != "__main__"
    ]
    names = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files]
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", program, *names], cwd=REPO, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
