"""A post against those before: the same text twice within a week is one piece of news."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from lakehouse.validation.in_order import DAY, InOrder

SAME_TEXT_DAYS = 7
REMEMBERED_DAYS = 30  # by receipt: a replay brings old posts, which must still be told apart


class Post(NamedTuple):
    event_id: str
    content: str | None
    event_time: int | None
    received_at: int


class Seen(NamedTuple):
    first_event_id: str | None
    days_apart: float | None


def fingerprint(text: str) -> bytes:
    """16 bytes of SHA-256 of the text, whatever its case and spacing."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "surrogatepass")).digest()[:16]


class Posts(InOrder[Post, Seen]):
    """State: for each text the posts that were first with it (no two within a week), if received within 30 days.

    Any two posts may be the same, so all share a Kafka partition.
    """

    kind = "post"
    reads = Post._fields
    rules = {"text_repeated": lambda seen: seen.days_apart is not None and seen.days_apart <= SAME_TEXT_DAYS}
    looks_back_days = REMEMBERED_DAYS + 1

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._firsts: OrderedDict[bytes, list[Post]] = OrderedDict()  # by newest receipt; posts without their text

    def compare(self, row: Post) -> Seen:
        if row[1] is None or row[2] is None:
            return Seen(None, None)
        found = self._nearest(fingerprint(row[1]), row)
        return Seen(found[0], abs(row[2] - found[2]) / DAY) if found else Seen(None, None)  # type: ignore[operator]

    def take_up(self, row: Post) -> None:
        event_id, text, time, received = row
        if text is None or time is None:
            return
        key = fingerprint(text)
        nearest = self._nearest(key, row)
        if nearest is not None and abs(time - nearest[2]) <= SAME_TEXT_DAYS * DAY:  # type: ignore[operator]
            return
        kept = [first for first in self._firsts.get(key, ()) if received - first[3] <= REMEMBERED_DAYS * DAY]
        self._firsts[key] = [*kept, Post(event_id, None, time, received)]
        self._firsts.move_to_end(key)
        while received - max(first[3] for first in next(iter(self._firsts.values()))) > REMEMBERED_DAYS * DAY:
            self._firsts.popitem(last=False)

    def _nearest(self, key: bytes, row: Post) -> Post | None:
        _, _, time, received = row
        kept = [first for first in self._firsts.get(key, ()) if received - first[3] <= REMEMBERED_DAYS * DAY]
        return min(kept, key=lambda first: abs(time - first[2]), default=None)  # type: ignore[operator]
