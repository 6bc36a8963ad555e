"""Polarity of a text by a list of words: the baseline of every trained model, and what serves without one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from lakehouse.reference import commodity_aliases, matching_key

Polarity = Literal["positif", "netral", "negatif"]
POLARITIES: tuple[Polarity, ...] = ("negatif", "netral", "positif")  # in order
FILE = Path(__file__).with_name("lexicon.yml")
LONGEST_NAME = 4  # words of a name of the reference lists
# Addresses and mentions of people are no words.
MASKED = re.compile(r"https?://\S+|www\.\S+|@\w+")
WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*|\d+(?:[.,]\d+)*%?")


@dataclass(frozen=True)
class Lexicon:
    """The lists of lexicon.yml; `weights` are positive for good news, `pressure` names what a word states."""

    weights: dict[str, int]
    negations: frozenset[str]
    negation_reach: int
    contrasts: frozenset[str]
    pressure: dict[str, str]
    pressure_reach: int
    price_words: frozenset[str]
    common_words: frozenset[str]


@dataclass(frozen=True)
class Mention:
    """What a text names (`key`), and the positions of its first word and of the word after its last."""

    key: str
    start: int
    stop: int


@cache
def lexicon() -> Lexicon:
    """The lists of lexicon.yml."""
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    weights: dict[str, int] = {}
    for sign, section in ((1, "positive"), (-1, "negative")):
        for weight, words in raw[section].items():
            for word in words:
                weights[word] = weights.get(word, 0) + sign * weight
    lists = ("negations", "contrasts", "price_words", "common_words")
    return Lexicon(
        weights=weights,
        pressure={word: name for name, words in raw["pressure"].items() for word in words},
        negation_reach=raw["negation_reach"],
        pressure_reach=raw["pressure_reach"],
        **{name: frozenset(raw[name]) for name in lists},
    )


def words_of(text: str) -> list[str]:
    """Words and numbers in small letters, without addresses and mentions of people."""
    return WORD.findall(MASKED.sub(" ", text.lower()))


def named_in(words: Sequence[str], known: Mapping[str, str]) -> list[Mention]:
    """What the words name, longest names first. `known`: matching key -> what it names."""
    named: list[Mention] = []
    start = 0
    while start < len(words):
        for length in range(min(LONGEST_NAME, len(words) - start), 0, -1):
            key = known.get(matching_key("".join(words[start : start + length])))
            if key is not None:
                named.append(Mention(key, start, start + length))
                start += length - 1
                break
        start += 1
    return named


def mentions(words: Sequence[str]) -> list[Mention]:
    """The commodities that the words name."""
    return named_in(words, commodity_aliases())


def is_negated(words: Sequence[str], position: int) -> bool:
    """Whether a negation stands within its reach before the word."""
    lists = lexicon()
    for word in reversed(words[max(0, position - lists.negation_reach) : position]):
        if word in lists.contrasts:
            return False
        if word in lists.negations:
            return True
    return False


def lexicon_score(text: str) -> int:
    """Sum of the weights of the words; a negation flips the words after it.

    Where the text is about the price of a commodity, a rise is bad news and a fall good news: the buyer's
    view. A shortage stays bad news.
    """
    lists = lexicon()
    words = words_of(text)
    about_price = any(word in lists.price_words for word in words) and bool(mentions(words))
    total = 0
    for position, word in enumerate(words):
        weight = lists.weights.get(word, 0)
        if not weight:
            continue
        rises = {"naik": -1, "turun": 1}.get(lists.pressure.get(word, "")) if about_price else None
        weight = rises * abs(weight) if rises else weight
        total += -weight if is_negated(words, position) and word not in lists.negations else weight
    return total


def lexicon_polarity(text: str) -> Polarity:
    """The sign of the sum of the weights."""
    score = lexicon_score(text)
    return "positif" if score > 0 else "negatif" if score < 0 else "netral"
