"""The README's worked example: two files and a few cases make a kind, with topic, strict door, rules and rows."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from conf.settings import REPO

EXAMPLE = REPO / "tests" / "cases" / "new_kind"
# What the copy of the house is asked; it prints one JSON object.
ASK = """
import json, os, sys
from lakehouse.contract import kinds
from lakehouse.event import faults, series_key, topics
from lakehouse.silver.verdicts import accepted_rows, judged
from streaming_jobs.session import session
from conf.settings import settings
from tests.lakehouse.conftest import NOW, bronze
from tests.producers.poison_cases import cases, raw_cases

mine = [case for case in cases("judge", NOW) if case.kind == "tide"]
spark = session("example", master="local[1]")
table = bronze("tide", [{"event_id": case.event_id, "value": case.bodies[0]} for case in mine])
frame = judged(spark.createDataFrame(table), "tide", settings().validation.model_dump())
verdicts = frame.select("offset", "reasons", "row._warnings").toArrow().sort_by("offset").to_pylist()
rows = accepted_rows(frame.filter("reasons is null"), "tide").select("harbour", "height_m").toArrow().to_pylist()
door = [[fault.code for fault in faults(json.loads(case.bodies[0]), ["tide"])] for case in mine]
print(json.dumps({
    "cases": [[case.stream, case.warn, raw_cases()[case.number].get("http")] for case in mine],
    "verdicts": verdicts, "rows": rows, "door": door,
    "topic": "lumbung.tide" in topics(), "key": series_key("tide", {"harbour": "Benoa"}, "?"), "kinds": len(kinds()),
}))
spark.stop()
"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A copy of the house with the example's files put where the README says."""
    house = tmp_path_factory.mktemp("house")
    for room in ("conf", "lakehouse", "streaming_jobs", "tests"):
        shutil.copytree(REPO / room, house / room, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLE / "tides.yml", house / "lakehouse" / "silver")
    shutil.copy(EXAMPLE / "tides.py", house / "lakehouse" / "silver")
    shutil.copy(EXAMPLE / "poison.yml", house / "tests" / "cases" / "poison" / "tide.yml")
    environment = {**os.environ, "PYTHONPATH": str(house), "LUMBUNG_HOME": str(house / "var")}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=house, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_events_of_the_new_kind_are_accepted_and_refused(answered: dict[str, Any]):
    assert len(answered["cases"]) == len(answered["verdicts"]) == 6
    for (wanted, warned, http), verdict, told in zip(answered["cases"], answered["verdicts"], answered["door"], strict=True):
        rules = [reason["rule"] for reason in verdict["reasons"] or [] if reason["severity"] == "error"]
        assert rules == ([] if wanted == "silver" else [wanted])
        assert wanted != "silver" or verdict["_warnings"] == ([warned] if warned else [])
        assert told == ([http[1]] if http else []), "the strict door says the same"
    assert answered["rows"] == [{"harbour": "BENOA", "height_m": 1.8}, {"harbour": "BENOA", "height_m": 4.5}]


def test_topic_and_key_follow_from_the_contract(answered: dict[str, Any]):
    assert answered["topic"] and answered["key"] == "Benoa" and answered["kinds"] == 13


def test_the_readme_shows_the_example_as_it_runs():
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert all((EXAMPLE / name).read_text(encoding="utf-8") in readme for name in ("tides.yml", "tides.py"))
