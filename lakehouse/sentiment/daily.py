"""Posts -> counts of polarity and price pressure per subject and day, and the indices made of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from lakehouse.sentiment.classifier import PolarityClassifier
from lakehouse.sentiment.lexicon import Mention, is_negated, lexicon, mentions, words_of
from lakehouse.sentiment.products import ProductNames

REPEATED = "text_repeated"  # warning of silver.posts: the same news within a week counts once
DAMPING = 5  # added to the number of posts: a day with few of them stays near zero
ENGLISH = {"positif": "positive", "netral": "neutral", "negatif": "negative"}
Pressure = Literal["naik", "turun", "stabil", "langka"]
PRESSURES: tuple[Pressure, ...] = ("naik", "turun", "stabil", "langka")
COUNTS = ("posts", *ENGLISH.values(), *PRESSURES)


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


class Subject(NamedTuple):
    """What posts are about; shop and category are of a product alone."""

    kind: str
    name: str
    shop: str = ""
    category: str = ""


SubjectDay = tuple[Subject, date]


def daily_rows(
    posts: Sequence[Mapping[str, Any]],
    classifier: PolarityClassifier,
    products: ProductNames,
    known: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Rows of gold.sentiment: those of `known` with the counts of `posts` added.

    `posts`: rows of silver.posts. A post counts for every commodity that it names or declares, every symbol
    that it declares and every product that it names.
    """
    counts: dict[SubjectDay, Counter[str]] = {}
    newest: dict[SubjectDay, datetime] = {}
    for row in known:
        subject = Subject(row["subject_kind"], row["subject"], row["shop"] or "", row["category"] or "")
        key = (subject, row["market_date"])
        counts[key] = Counter({name: row[name] for name in COUNTS})
        newest[key] = row["event_time"]
    counted = [post for post in posts if REPEATED not in (post["_warnings"] or ())]
    texts = [text_of(post) for post in counted]
    for post, text, polarity in zip(counted, texts, classifier.polarities(texts), strict=True):
        for subject, pressure in _subjects(post, text, products).items():
            key = (subject, post["market_date"])
            entries = ["posts", ENGLISH[polarity], *([pressure] if pressure else [])]
            counts.setdefault(key, Counter()).update(entries)
            newest[key] = max(newest.get(key, post["event_time"]), post["event_time"])
    return [_row(key, counts[key], newest[key], classifier) for key in sorted(counts)]


def _subjects(post: Mapping[str, Any], text: str, products: ProductNames) -> dict[Subject, Pressure | None]:
    """What the post counts for, with the price pressure that it states."""
    stated = pressures(text, post["commodities"] or ())
    subjects = {Subject("commodity", name): pressure for name, pressure in stated.items()}
    subjects |= dict.fromkeys((Subject("symbol", name) for name in post["symbols"] or ()), None)
    named = (Subject("product", name, shop, category) for shop, category, name in products.named_in(text))
    return subjects | dict.fromkeys(named, None)


def text_of(post: Mapping[str, Any]) -> str:
    """Headline and text; a headline that the text repeats counts once."""
    title = post["title"] or ""
    content: str = post["content"]
    return content if not title or content.startswith(title) else f"{title}. {content}"


def score_of(positive: int, negative: int) -> float:
    """The balance of polarities, -1 to 1; few posts stay near zero."""
    return (positive - negative) / (positive + negative + DAMPING)


def _row(key: SubjectDay, count: Counter[str], newest: datetime, by: PolarityClassifier) -> dict[str, Any]:
    subject, day = key
    stated = sum(count[name] for name in PRESSURES)
    balance = count["naik"] + count["langka"] - count["turun"]
    return {
        "subject_kind": subject.kind,
        "subject": subject.name,
        "shop": subject.shop or None,
        "category": subject.category or None,
        "market_date": day,
        "market_month": f"{day:%Y-%m}",
        **{name: count[name] for name in COUNTS},
        "score": score_of(count["positive"], count["negative"]),
        "pressure": balance / (stated + DAMPING) if stated else None,
        "classifier": by.name,
        "classifier_version": by.version,
        "event_time": newest,
    }
