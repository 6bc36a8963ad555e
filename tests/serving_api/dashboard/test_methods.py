"""How figures are computed: both languages alike, tables that exist, every section reachable."""

import re
from typing import Any

import orjson
import pytest

from conf.settings import REPO
from lakehouse.contracts.contract import contracts

SOURCES = REPO / "serving_api" / "web" / "src"
SECTIONS = SOURCES / "ui" / "method.ts"


def texts(language: str) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads((SOURCES / "methods" / f"{language}.json").read_bytes())
    return content


def test_both_languages_have_the_same_sections_with_the_same_parts() -> None:
    indonesian, english = texts("id"), texts("en")
    assert list(indonesian) == list(english) and len(indonesian) > 15
    for anchor, section in indonesian.items():
        other = english[anchor]
        assert section["source"] == other["source"] and section["title"] != other["title"], anchor
        for part in ("how", "limits"):
            assert section[part] and len(section[part]) == len(other[part]), (anchor, part)


@pytest.mark.parametrize("language", ["id", "en"])
def test_sections_name_tables_and_knobs_that_exist(language: str) -> None:
    knobs = (REPO / "docs" / "reference" / "knobs.md").read_text(encoding="utf-8")
    for anchor, section in texts(language).items():
        assert section["source"] and set(section["source"]) <= contracts().keys(), anchor
        prose = " ".join([section["what"], *section["how"], *section["limits"]])
        for knob in re.findall(r"\balerts\.\w+", prose):
            assert f"`{knob}`" in knobs
        for file in re.findall(r"\bconf/[\w/]+\.yml", prose):
            assert (REPO / file).is_file()


def test_tables_lead_to_the_section_that_names_them() -> None:
    listed = dict(re.findall(r'^  "?([\w-]+)"?: \[(.*)\],$', SECTIONS.read_text(encoding="utf-8"), re.M))
    assert list(listed) == list(texts("id"))
    for tables in listed.values():
        assert set(re.findall(r'"([\w.]+)"', tables)) <= contracts().keys()
