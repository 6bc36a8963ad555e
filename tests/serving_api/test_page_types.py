"""The types of the web page name only fields that the API documents."""

import re

import pytest

from conf.settings import REPO
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
