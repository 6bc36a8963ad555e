"""News and social posts as items: what their sources have in common."""

import hashlib
import re
from html.parser import HTMLParser
from typing import Any

from producers.collectors.source import Item, Payload, unknown_fields, without_missing

ID_CHARACTERS = 200  # of a post_id; a longer identity is hashed


class _Text(HTMLParser):
    """Collects what a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def plain_text(html: Any) -> Any:
    """Text without markup and repeated spaces; a value that is no text unchanged: the stream refuses it."""
    if not isinstance(html, str):
        return html
    reader = _Text()
    reader.feed(html)
    reader.close()
    return re.sub(r"\s+", " ", " ".join(reader.parts)).strip()


def identity_of(value: Any) -> str | None:
    """The identity of a post within its source; None without one."""
    if value is None or value == "":
        return None
    text = str(value)
    return text if len(text) <= ID_CHARACTERS else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def post_item(collector: str, row: Payload, post: Payload) -> Item:
    """A post event. `row`: at the source; `post`: payload fields, None where the row lacks them."""
    title, text = (plain_text(post.get(name)) for name in ("title", "text"))
    payload = without_missing(post | {"title": title or None, "text": text or title or None})
    payload["post_id"] = identity_of(post.get("post_id")) or digest_of(payload)
    return Item(payload["post_id"], payload | unknown_fields(collector, row))


def digest_of(payload: Payload) -> str:
    """The identity of a post whose source gives none."""
    parts = "\0".join(f"{name}={payload[name]}" for name in sorted(payload))
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()[:32]
