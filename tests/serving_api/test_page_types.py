"""The types of the web page name only fields that the API documents; what it shows by name has words."""

import json
import re

import pytest

from conf.settings import REPO
from lakehouse.contracts.contract import contracts
from tests.support.openapi import SCHEMA

TYPES = REPO / "serving_api" / "web" / "src" / "data" / "types.ts"
# Interface of the page -> schema of the API, where the names differ.
SCHEMAS = {
    "Series": "DailySeries",
    "Accuracy": "AccuracyRow",
    "Anomaly": "AnomalyRow",
    "Importance": "ImportanceRow",
    "Market": "MarketRow",
    "Balance": "OverviewBalance",
    "Device": "DeviceRow",
    "Integrity": "IntegrityReport",
    "Correlation": "CorrelationReport",
    "IssuedClaim": "RotatedDevice",
    "SilentSeries": "SilentSeriesRow",
}
BASE = ("Answer", "Page")  # what every answer has


def interfaces() -> dict[str, set[str]]:
    """Interface -> its own fields, those on its first level."""
    text = TYPES.read_text(encoding="utf-8")
    matches = re.findall(r"export interface (\w+)(?:<\w+>)?(?: extends [^{]+)? {\n(.*?)\n}", text, re.DOTALL)
    return {name: set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE)) for name, body in matches}


@pytest.mark.parametrize("name", sorted(interfaces().keys() - set(BASE)))
def test_interface_names_fields_of_its_schema(name: str) -> None:
    schema = SCHEMA["components"]["schemas"][SCHEMAS.get(name, name)]
    assert interfaces()[name] <= set(schema["properties"])


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_rule_of_alerts_is_named_and_explained_on_the_page(language: str) -> None:
    (rule,) = [column for column in contracts()["gold.alerts"].columns if column.name == "rule"]
    names = set(re.findall(r"\w+", rule.description)) - {"or"}
    assert {"price_level", "manual"} <= names
    words = json.loads((TYPES.parents[1] / "i18n" / f"{language}.json").read_text(encoding="utf-8"))
    wanted = {f"alert_{part}_{name}" for part in ("rule", "about") for name in names}
    assert wanted <= words.keys(), wanted - words.keys()
