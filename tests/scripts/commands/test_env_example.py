"""Every variable of .env.example is a setting, with its default and a meaning."""

import re
import shlex

import pytest

from conf.settings import Settings
from scripts.commands.docs import env_example

ENTRY = re.compile(r"^# (?P<meaning>.+)\n#(?P<name>[A-Z_]+)=(?P<value>.*)$", re.MULTILINE)


def test_values_are_the_defaults_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Settings()
    for entry in ENTRY.finditer(env_example()):
        if entry["value"] and entry["name"] != "LUMBUNG_HOME":
            (value,) = shlex.split(entry["value"])
            monkeypatch.setenv(entry["name"], value)
    assert Settings() == expected


def test_every_variable_has_a_meaning() -> None:
    text = env_example()
    variables = re.findall(r"^#([A-Z_]+)=", text, re.MULTILINE)
    assert [entry["name"] for entry in ENTRY.finditer(text)] == variables
    assert len(variables) == len(set(variables)) > 100
