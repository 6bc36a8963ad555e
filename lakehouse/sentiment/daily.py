"""Posts -> what they name, with polarity and price pressure; gold.sentiment counts it by subject and day."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from lakehouse.sentiment.classifier import PolarityClassifier
from lakehouse.sentiment.lexicon import Mention, is_negated, lexicon, mentions, words_of
from lakehouse.sentiment.products import ProductNames

REPEATED = "text_repeated"  # warning of silver.posts: the same news within a week counts once
DAMPING = 5  # added to the number of posts, as in gold.sentiment: few of them stay near zero
ENGLISH = {"positif": "positive", "netral": "neutral", "negatif": "negative"}
Pressure = Literal["naik", "turun", "stabil", "langka"]
PRESSURES: tuple[Pressure, ...] = ("naik", "turun", "stabil", "langka")
MENTIONS = pa.schema(
    {
        **dict.fromkeys(("subject_kind", "subject", "shop", "category", "polarity", "pressure"), pa.string()),
        **dict.fromkeys(("classifier", "classifier_version"), pa.string()),
        "market_date": pa.date32(),
        "event_time": pa.timestamp("us", "UTC"),
    }
)


def pressures(text: str, declared: Iterable[str] = ()) -> dict[str, Pressure | None]:
    """Commodity -> pressure, None where the text states none.

    The commodities are those that the text names and those `declared` with it. A commodity that the text
    does not name gets the first pressure of the text: the text as a whole is about it.
    """
    words = words_of(text)
    stated = [(position, name) for position in range(len(words)) if (name := _stated(words, position))]
    by_commodity: dict[str, Pressure | None] = {}
    for mention in mentions(words):
        nearest = _nearest(mention, stated)
        by_commodity[mention.key] = by_commodity.get(mention.key) or nearest
    first = stated[0][1] if stated else None
    for commodity in declared:
        by_commodity.setdefault(commodity, first)
    return by_commodity


def _stated(words: Sequence[str], position: int) -> Pressure | None:
    """What the word states; a price that does not rise or fall, and a stock that is not scarce, is stable."""
    pressure = lexicon().pressure.get(words[position])
    if pressure is None:
        return None
    named: Pressure = next(name for name in PRESSURES if name == pressure)
    if is_negated(words, position):
        after = words[position + 1 : position + 1 + lexicon().negation_reach]
        corrected = any(word in lexicon().contrasts for word in after)  # "bukan turun malah naik"
        return None if named == "stabil" or corrected else "stabil"
    return named


def _nearest(mention: Mention, stated: Sequence[tuple[int, Pressure]]) -> Pressure | None:
    """The statement nearest to the name within reach; of two equally near, the later one."""
    reach = lexicon().pressure_reach
    distances = [
        (
            mention.start - position if position < mention.start else position - mention.stop + 1,
            -position,
            name,
        )
        for position, name in stated
        if not mention.start <= position < mention.stop
    ]
    nearest = min(distances, default=None)
    return nearest[2] if nearest and nearest[0] <= reach else None


def mentions_of(
    posts: Sequence[Mapping[str, Any]], classifier: PolarityClassifier, products: ProductNames
) -> pa.Table:
    """What each post names, in the columns of MENTIONS. `posts`: rows of silver.posts.

    A post counts for every commodity that it names or declares, every symbol that it declares and every
    product that it names; one that repeats an earlier text for none.
    """
    counted = [post for post in posts if REPEATED not in (post["_warnings"] or ())]
    texts = [text_of(post) for post in counted]
    rows = [
        {
            **subject,
            "market_date": post["market_date"],
            "event_time": post["event_time"],
            "polarity": ENGLISH[polarity],
            "classifier": classifier.name,
            "classifier_version": classifier.version,
        }
        for post, text, polarity in zip(counted, texts, classifier.polarities(texts), strict=True)
        for subject in _subjects(post, text, products)
    ]
    return pa.Table.from_pylist(rows, MENTIONS)


def _subjects(post: Mapping[str, Any], text: str, products: ProductNames) -> Iterator[dict[str, str | None]]:
    """What the post counts for, each once, with the price pressure that it states about a commodity."""
    for name, pressure in pressures(text, post["commodities"] or ()).items():
        yield {"subject_kind": "commodity", "subject": name, "pressure": pressure}
    for symbol in dict.fromkeys(post["symbols"] or ()):
        yield {"subject_kind": "symbol", "subject": symbol}
    for shop, category, name in products.named_in(text):
        yield {"subject_kind": "product", "subject": name, "shop": shop, "category": category}


def text_of(post: Mapping[str, Any]) -> str:
    """Headline and text; a headline that the text repeats counts once."""
    title = post["title"] or ""
    content: str = post["content"]
    return content if not title or content.startswith(title) else f"{title}. {content}"


def score_of(positive: int, negative: int) -> float:
    """The balance of polarities, -1 to 1; few posts stay near zero."""
    return (positive - negative) / (positive + negative + DAMPING)
