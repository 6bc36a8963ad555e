"""Messages in Indonesian. They are written and stored in English; the values are taken over from there.

Each YAML file of `translations` maps English messages to Indonesian ones. `{name}` is a place for a value; a
value that is itself a message of the catalog is translated too.
"""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import yaml

Language = Literal["en", "id"]
CATALOG_FOLDER = Path(__file__).with_name("translations")
# {expression}, ${knob} or {${list}}: what a message shows at this place.
PLACEHOLDER = re.compile(r"\$?\{(?:[^{}]|\$\{[^{}]*\})*\}")
LONGEST_MESSAGE = 4000  # characters; a longer text is data


def placeholders(template: str) -> list[str]:
    """The placeholders of a message in their order."""
    return PLACEHOLDER.findall(template)


def values_of(message: str, template: str) -> dict[str, str] | None:
    """Placeholder -> value in the message; None when the message is not of that template."""
    matched = _pattern(template).fullmatch(message)
    return dict(zip(placeholders(template), matched.groups(), strict=True)) if matched else None


def filled(template: str, values: dict[str, str]) -> str:
    """The template with its placeholders replaced by their values."""
    return PLACEHOLDER.sub(lambda place: values[place[0]], template)


def in_language(message: str, language: Language) -> str:
    """The message in a language; English when the catalog does not have it."""
    return message if language == "en" else in_indonesian(message)


@lru_cache(maxsize=10_000)
def in_indonesian(message: str) -> str:
    """The message in Indonesian, each line as a whole or else part by part.

    Parts that are not in the catalog stay as they are.
    """
    return message if len(message) > LONGEST_MESSAGE else "\n".join(map(_line, message.split("\n")))


def _line(line: str) -> str:
    text = line.strip(" ")
    return line.replace(text, catalog().get(text) or _by_template(text) or _by_parts(text)) if text else line


@cache
def catalog() -> dict[str, str]:
    """English template -> Indonesian template, of all files."""
    files = sorted(CATALOG_FOLDER.glob("*.yml"))
    return {
        english: indonesian
        for file in files
        for english, indonesian in yaml.safe_load(file.read_text(encoding="utf-8")).items()
    }


@cache
def _templates() -> list[str]:
    """Templates with placeholders, those with most text of their own first."""
    templates = [template for template in catalog() if placeholders(template)]
    return sorted(templates, key=lambda template: -len(PLACEHOLDER.sub("", template)))


def _by_template(text: str) -> str | None:
    for template in _templates():
        values = values_of(text, template)
        if values is not None:
            translated = {name: in_indonesian(value) for name, value in values.items()}
            return filled(catalog()[template], translated)
    return None


def _by_parts(text: str) -> str:
    """Parts between "; ", then what follows a ": ". A single word there may be data (`kind: price`)."""
    if "; " in text:
        return "; ".join(map(in_indonesian, text.split("; ")))
    name, separator, rest = text.partition(": ")
    return f"{name}{separator}{in_indonesian(rest)}" if " " in rest else text


@cache
def _pattern(template: str) -> re.Pattern[str]:
    texts = PLACEHOLDER.split(template)
    return re.compile("(.*?)".join(map(re.escape, texts)), re.DOTALL)
