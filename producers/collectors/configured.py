"""The sources by name, and which of them have something to collect. Imports no library of its own."""

from importlib import import_module
from typing import Literal

from conf.collected_sources import collected_sources
from conf.settings import settings
from producers.collectors.source import Source

Mode = Literal["on", "recording", "off"]


def source_of(name: str) -> Source:
    """The source: `SOURCE` of producers/collectors/sources/<name>.py. Raises KeyError for an unknown name."""
    module = import_module(f"producers.collectors.sources.{collected_sources()[name].name}")
    source: Source = module.SOURCE
    return source


def source_modes() -> dict[str, Mode]:
    """Source -> on, recording (no address or key, but recorded answers to replay) or off."""
    recorded = settings().collectors.recordings
    return {
        name: "on" if source_of(name).missing() is None else "recording" if name in recorded else "off"
        for name in collected_sources()
    }


def active_sources() -> dict[str, Mode]:
    """The sources that are not off."""
    return {name: mode for name, mode in source_modes().items() if mode != "off"}
