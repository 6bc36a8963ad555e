"""Texts within problems, in English and Indonesian (messages.yml)."""

from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from lakehouse.translation import Language


class MessageTexts(BaseModel):
    """One entry of messages.yml."""

    model_config = ConfigDict(extra="forbid")
    en: str
    id: str


MESSAGES = TypeAdapter(dict[str, MessageTexts]).validate_python(
    yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
)


class TranslatedText(str):
    """A text in English that knows its Indonesian."""

    indonesian: str

    def __new__(cls, english: str, indonesian: str) -> "TranslatedText":
        text = super().__new__(cls, english)
        text.indonesian = indonesian
        return text


def message(name: str, /, **values: object) -> TranslatedText:
    """The text of messages.yml with its values. Raises KeyError for an unknown name."""
    texts = MESSAGES[name]
    return TranslatedText(texts.en.format(**values), texts.id.format(**values))


def text_in(text: object, language: Language) -> str:
    """The text in a language; one that has no other is in English."""
    return text.indonesian if language == "id" and isinstance(text, TranslatedText) else str(text)


def joined(texts: Iterable[str]) -> TranslatedText:
    """The texts with semicolons between them, in both languages."""
    parts = list(texts)
    return TranslatedText("; ".join(parts), "; ".join(text_in(part, "id") for part in parts))
