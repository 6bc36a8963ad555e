"""Polarity and price pressure by the list of words, on texts whose meaning can be seen."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.sentiment.classifier import CLASSIFIERS, classifier_of
from lakehouse.sentiment.daily import pressures
from lakehouse.sentiment.lexicon import Polarity, lexicon, lexicon_polarity, mentions, words_of
from lakehouse.sentiment.products import ProductNames
from tests.support.retail.shop_lake import sentiment_of


@pytest.mark.parametrize(
    ("text", "polarity"),
    [
        ("Harga cabai rawit turun tajam", "positif"),
        ("Harga cabai rawit melonjak", "negatif"),
        ("Harga beras tidak naik", "positif"),
        ("Laba emiten naik, saham menguat", "positif"),
        ("Saham itu anjlok, investor merugi", "negatif"),
        ("Pelayanannya tidak bagus", "negatif"),
        ("Bawang merah langka di pasar", "negatif"),
        ("Rapat diadakan hari Senin", "netral"),
        ("", "netral"),
        ("https://rugi.example/anjlok @krisis", "netral"),
    ],
)
def test_polarity_of_a_text(text: str, polarity: str) -> None:
    assert lexicon_polarity(text) == polarity


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("Harga cabai rawit merah naik", {"cabai-rawit-merah": "naik"}),
        (
            "Harga CABAI-RAWIT meroket, bawang putih turun",
            {"cabai-rawit-merah": "naik", "bawang-putih": "turun"},
        ),
        ("Bawang merah langka, harga telur stabil", {"bawang-merah": "langka", "telur-ayam-ras": "stabil"}),
        ("Harga gula pasir tidak naik", {"gula-konsumsi": "stabil"}),
        ("Harga gula pasir bukan turun malah naik", {"gula-konsumsi": "naik"}),
        ("Garam satu dua tiga empat lima enam tujuh naik", {"garam": None}),
        ("Pasar ramai, semua naik", {}),
    ],
)
def test_pressure_belongs_to_the_commodity_near_it(text: str, stated: dict[str, str | None]) -> None:
    assert pressures(text) == stated


def test_declared_commodity_gets_the_pressure_of_the_text() -> None:
    assert pressures("Semua naik", ["garam"]) == {"garam": "naik"}
    assert pressures("Garam tetap, telur naik", ["garam"]) == {"garam": "stabil", "telur-ayam-ras": "naik"}


def test_longest_name_of_a_commodity_counts() -> None:
    named = mentions(words_of("cabai rawit merah dan cabai, beras premium"))
    assert [mention.key for mention in named] == ["cabai-rawit-merah", "cabai", "beras-premium"]


def test_lists_are_in_small_letters_and_each_word_has_one_pressure() -> None:
    lists = lexicon()
    words = {*lists.weights, *lists.negations, *lists.pressure, *lists.price_words}
    assert not [word for word in words if words_of(word) != [word]]


class Transformer:
    """A classifier of a kind that is not ours; it finds everything positive."""

    name = "transformer"

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.version: str = model["version"]

    def polarities(self, texts: Sequence[str]) -> list[Polarity]:
        return ["positif" for _ in texts]


def test_classifier_of_another_kind_is_served_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLASSIFIERS, "transformer", Transformer)
    time = datetime(2024, 3, 1, tzinfo=UTC)
    post = {"title": None, "content": "Harga garam melonjak", "commodities": [], "symbols": []}
    read = {**post, "market_date": time.date(), "event_time": time, "_warnings": []}
    (row,) = sentiment_of([read], classifier_of({"kind": "transformer", "version": "7"}), ProductNames([]))
    assert (row["classifier"], row["classifier_version"]) == ("transformer", "7")
    assert (row["subject"], row["positive"], row["naik"]) == ("garam", 1, 1)
