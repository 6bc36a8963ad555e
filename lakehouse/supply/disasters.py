"""Disasters on a route, as posts of the last days report them."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from lakehouse.reference import region_aliases
from lakehouse.sentiment.lexicon import named_in, words_of
from lakehouse.supply.route_time import DISASTERS, Disaster

FILE = Path(__file__).with_name("disasters.yml")


@cache
def disaster_words() -> dict[Disaster, tuple[str, ...]]:
    """Disaster -> words and phrases, by disasters.yml."""
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {disaster: tuple(raw[disaster]) for disaster in DISASTERS if disaster in raw}


def disaster_on(route_id: str, codes: Iterable[str | None], texts: Iterable[str]) -> Disaster:
    """The worst disaster that the texts report for a route between the provinces.

    A flood or landslide counts when the text names one of the provinces. A closed road counts when it names
    the route or every province of it: no time of arrival is given then.
    """
    places = {code for code in codes if code is not None}
    order = list(DISASTERS)
    reported = (_reported(text, route_id, places) for text in texts)
    return max(reported, key=order.index, default="none")


def _reported(text: str, route_id: str, places: set[str]) -> Disaster:
    words = words_of(text)
    listed = disaster_words()
    named = {name.key for name in named_in(words, region_aliases())}
    of_route = route_id.lower() in text.lower() or (bool(places) and places <= named)
    plain = " ".join(words)
    if of_route and any(phrase in plain for phrase in listed["closed"]):
        return "closed"
    if not of_route and not places & named:
        return "none"
    by_word: list[Disaster] = ["landslide", "flood"]
    return next((disaster for disaster in by_word if set(listed[disaster]) & set(words)), "none")
