"""Sources that collectors poll: licence, terms, pace, freshness, one YAML file each; providers of prices."""

from datetime import date
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).with_name("collectors")
PROVIDERS = Path(__file__).with_name("providers.yml")


class CollectedSource(BaseModel):
    """What conf/collectors/<name>.yml declares.

    `fields`: of a row at the source; any other one is new. `requested`: number at the source -> our name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)
    name: str
    description: str
    kind: str  # of the events
    homepage: str
    licence: str
    terms: str
    checked: date  # day on which licence and terms were read
    every_minutes: float = Field(gt=0)  # pause between two polls; knob collectors.every_minutes
    requests_per_minute: float = Field(gt=0)
    fresh_hours: float = Field(gt=0)  # age of the newest accepted event after which the source is silent
    fields: frozenset[str]
    requested: dict[str, str] = {}


@cache
def collected_sources() -> dict[str, CollectedSource]:
    """Every source by name. Raises ValidationError for a file that lacks a key."""
    return {
        file.stem: CollectedSource(name=file.stem, **yaml.safe_load(file.read_text(encoding="utf-8")))
        for file in sorted(FOLDER.glob("*.yml"))
    }


class Provider(BaseModel):
    """Name of who publishes prices, and the licence of the data, by language."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: dict[str, str]
    licence: dict[str, str]


@cache
def providers() -> dict[str, Provider]:
    """The listed providers by id. Raises ValidationError."""
    listed = yaml.safe_load(PROVIDERS.read_text(encoding="utf-8"))
    return {name: Provider(**entry) for name, entry in listed.items()}
