"""Products of shops that a text names.

A text names a product where the whole name stands in it, word by word and in any case; of two names that
overlap, the longer one counts. A name does not count where a text would hold it by chance:
- it has fewer than LEAST_LETTERS letters and digits,
- all of its words are numbers, common words (lexicon.yml) or names of categories, or
- it is the name of a commodity or of a category, listed or the product's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from lakehouse.reference import category_aliases, commodity_aliases, matching_key
from lakehouse.sentiment.lexicon import lexicon, words_of

LEAST_LETTERS = 6


class Product(NamedTuple):
    """A name in the catalogue of a shop; several products of a category may bear it."""

    shop: str
    category: str
    name: str


class ProductNames:
    """The names of products, for looking them up in texts."""

    def __init__(self, products: Iterable[Product]) -> None:
        """Spellings that differ in case and punctuation are one name: the first one stands for all."""
        self._products: dict[str, tuple[Product, ...]] = {}  # name in words -> who has it
        lengths: dict[str, set[int]] = {}
        for product in sorted(products):
            words = name_words(product.name)
            if not is_telling(words, product.category):
                continue
            name = " ".join(words)
            known = self._products.get(name, ())
            if not known or known[-1][:2] != product[:2]:
                self._products[name] = (*known, product)
            lengths.setdefault(words[0], set()).add(len(words))
        # First word -> numbers of words of the names that begin with it, most first.
        self._lengths: Mapping[str, Sequence[int]] = {
            word: sorted(counts, reverse=True) for word, counts in lengths.items()
        }

    def __len__(self) -> int:
        return len(self._products)

    def named_in(self, text: str) -> list[Product]:
        """The products that the text names, each once, sorted."""
        if not self._products:
            return []
        words = name_words(text)
        named: set[Product] = set()
        position = 0
        while position < len(words):
            position += self._take(words, position, named)
        return sorted(named)

    def _take(self, words: Sequence[str], position: int, named: set[Product]) -> int:
        """Add the products of the longest name that begins here; returns its number of words, at least 1."""
        for length in self._lengths.get(words[position], ()):
            products = self._products.get(" ".join(words[position : position + length]))
            if products and position + length <= len(words):
                named.update(products)
                return length
        return 1


def name_words(text: str) -> list[str]:
    """Words and numbers in small letters; a hyphen separates words."""
    return [part for word in words_of(text) for part in word.split("-")]


def is_telling(words: Sequence[str], category: str) -> bool:
    """Whether a text that holds the words of a name one after another is likely to mean the product."""
    name = "".join(words)
    key = matching_key(name)
    if len(name) < LEAST_LETTERS or (key and (key in _listed_names() or key == matching_key(category))):
        return False
    return any(not word[0].isdigit() and word not in _common_words() for word in words)


@cache
def _listed_names() -> frozenset[str]:
    return frozenset({*commodity_aliases(), *category_aliases()})


@cache
def _common_words() -> frozenset[str]:
    lists = lexicon()
    known = {*lists.common_words, *lists.weights, *lists.negations, *lists.contrasts}
    known |= {*lists.pressure, *lists.price_words, *category_aliases()}
    return frozenset(known)
