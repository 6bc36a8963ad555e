"""Posts -> counts of polarity and price pressure per subject and day, and the indices made of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from lakehouse.sentiment.classifier import PolarityClassifier
from lakehouse.sentiment.pressure import PRESSURES, pressures

REPEATED = "text_repeated"  # warning of silver.posts: the same news within a week counts once
DAMPING = 5  # added to the number of posts: a day with few of them stays near zero
ENGLISH = {"positif": "positive", "netral": "neutral", "negatif": "negative"}
COUNTS = ("posts", *ENGLISH.values(), *PRESSURES)
Key = tuple[str, str, date]  # subject_kind, subject, market_date


def daily_rows(
    posts: Sequence[Mapping[str, Any]],
    classifier: PolarityClassifier,
    known: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Rows of gold.sentiment: those of `known` with the counts of `posts` added.

    `posts`: rows of silver.posts. A post counts for every commodity that it names or declares and every
    symbol that it declares.
    """
    counts: dict[Key, Counter[str]] = {}
    newest: dict[Key, datetime] = {}
    for row in known:
        key = (row["subject_kind"], row["subject"], row["market_date"])
        counts[key] = Counter({name: row[name] for name in COUNTS})
        newest[key] = row["event_time"]
    counted = [post for post in posts if REPEATED not in (post["_warnings"] or ())]
    texts = [text_of(post) for post in counted]
    for post, text, polarity in zip(counted, texts, classifier.polarities(texts), strict=True):
        named = pressures(text, post["commodities"] or ())
        subjects = [("commodity", name) for name in named]
        subjects += [("symbol", name) for name in post["symbols"] or ()]
        for kind, subject in subjects:
            key = (kind, subject, post["market_date"])
            pressure = named.get(subject) if kind == "commodity" else None
            entries = ["posts", ENGLISH[polarity], *([pressure] if pressure else [])]
            counts.setdefault(key, Counter()).update(entries)
            newest[key] = max(newest.get(key, post["event_time"]), post["event_time"])
    return [_row(key, counts[key], newest[key], classifier) for key in sorted(counts)]


def text_of(post: Mapping[str, Any]) -> str:
    """Headline and text; a headline that the text repeats counts once."""
    title = post["title"] or ""
    content: str = post["content"]
    return content if not title or content.startswith(title) else f"{title}. {content}"


def _row(key: Key, count: Counter[str], newest: datetime, by: PolarityClassifier) -> dict[str, Any]:
    kind, subject, day = key
    stated = sum(count[name] for name in PRESSURES)
    balance = count["naik"] + count["langka"] - count["turun"]
    score = (count["positive"] - count["negative"]) / (count["positive"] + count["negative"] + DAMPING)
    return {
        "subject_kind": kind,
        "subject": subject,
        "market_date": day,
        "market_month": f"{day:%Y-%m}",
        **{name: count[name] for name in COUNTS},
        "score": score,
        "pressure": balance / (stated + DAMPING) if stated else None,
        "classifier": by.name,
        "classifier_version": by.version,
        "event_time": newest,
    }
