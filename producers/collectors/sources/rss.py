"""RSS 2.0 feeds: title and summary of each entry, without markup.

One request a feed; a feed holds its newest entries alone: the ids of the last poll are its cursor.
"""

import hashlib
from datetime import UTC
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import Element, ParseError, fromstring

from conf.settings import settings
from lakehouse.times import utc_text
from producers.collectors.posts import post_item
from producers.collectors.source import Answer, Cursor, Fetch, Item, Pages, ShapeChanged, SourcePage

NEEDS = ("collectors.news_feeds",)


async def poll(fetch: Fetch, cursor: Cursor) -> Pages:
    """An entry that its publisher edits keeps its first text."""
    for url in settings().collectors.news_feeds:
        digest = hashlib.sha256(str(url).encode()).hexdigest()[:8]  # its parameters may hold a key
        answer = await fetch.get(f"{url.host}{url.path} {digest}", str(url))
        if answer:
            yield SourcePage(answer, cursor)


def items(answer: Answer) -> list[Item]:
    """The entries of a feed. A document type is refused: entities in it can grow without bound."""
    if b"<!DOCTYPE" in answer.body[:1000]:
        raise ShapeChanged("the feed declares a document type")
    try:
        channel = fromstring(answer.body).find("channel")  # noqa: S314  (no document type, see above)
    except ParseError as error:
        raise ShapeChanged(f"the feed is not XML: {error}") from None
    if channel is None:
        raise ShapeChanged("the feed has no channel")
    lang = channel.findtext("language")
    return [entry_item(entry, lang) for entry in channel.findall("item")]


def entry_item(entry: Element, lang: str | None) -> Item:
    """An entry as a post event; tags of other namespaces are extensions, not fields of RSS."""
    row = {part.tag: part.text for part in entry if not part.tag.startswith("{")}
    post = {
        "post_id": row.get("guid") or row.get("link"),
        "source": "news",
        "title": row.get("title"),
        "text": row.get("description"),
        "lang": lang.strip().lower() if lang else None,
        "event_time": published(row.get("pubDate")),
    }
    return post_item("rss", row, post)


def published(text: str | None) -> str | None:
    """The time of an RFC 2822 date in UTC; a text that is none unchanged: the stream refuses it."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text.strip())
    except ValueError:
        return text
    return utc_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
