""".env.example: every environment variable that users set, with its default and meaning."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import yaml

from conf.settings import REPO, Secrets, Settings
from scripts.commands.reference_pages import is_section, knob_comments, variable_name

HEADER = (
    "Environment variables of Lumbung, each with its default. Written by ./run.sh docs; do not edit.",
    "Copy to .env, remove the # before a variable to set it, then: set -a; . ./.env; set +a; ./run.sh up",
)
NOT_SET_BY_USERS = ("failpoint", "clock_steps", "called_from", "shared")
JAVA_HOME = "a Java 17 or 21; without it run.sh searches the usual folders"
FROM_SETUP = "random, written by ./run.sh setup to LUMBUNG_HOME/secrets.env; set it to use your own"


def env_example() -> str:
    """The text of .env.example."""
    knobs = REPO / "conf" / "lumbung.yml"
    defaults: dict[str, Any] = yaml.safe_load(knobs.read_text(encoding="utf-8"))
    comments = knob_comments(knobs.read_text(encoding="utf-8"))
    blocks = ["\n".join(f"# {line}" for line in HEADER), "\n".join(_general(defaults))]
    for section, field in Settings.model_fields.items():
        if is_section(field):
            lines = [f"# --- {section}"]
            for name, value in defaults[section].items():
                variable = f"LUMBUNG_{section.upper()}__{name.upper()}"
                lines += _entry(variable, _text(value), comments[section, name])
            blocks.append("\n".join(lines))
    lines = ["# --- secrets"]
    for name, secret in Secrets.model_fields.items():
        lines += _entry(variable_name(name, secret), secret.default, secret.description or FROM_SETUP)
    blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _general(defaults: dict[str, Any]) -> Iterator[str]:
    """Entries of the variables that belong to no section."""
    yield "# --- general"
    yield from _entry("JAVA_HOME", "", JAVA_HOME)
    for name, field in Settings.model_fields.items():
        if not is_section(field) and name not in NOT_SET_BY_USERS:
            value = "var" if name == "home" else defaults.get(name, "")
            yield from _entry(variable_name(name, field), str(value), field.description or "")


def _entry(variable: str, value: str, meaning: str) -> Iterator[str]:
    yield f"# {meaning}"
    yield f"#{variable}={value}"


def _text(value: object) -> str:
    """A default as the environment spells it: lists and maps as JSON in single quotes, as are words."""
    if isinstance(value, list | dict):
        return f"'{json.dumps(value)}'"
    if isinstance(value, str) and " " in value:
        return shlex.quote(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
