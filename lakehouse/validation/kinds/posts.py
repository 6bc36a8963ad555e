"""A post compared with the posts before: the same text twice within a week is one piece of news."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from lakehouse.validation import ValidatorState
from lakehouse.validation.in_order import DAY, InOrder, table_of, tuples_of

# A post so near to a remembered one of the same text is not remembered itself.
SAME_TEXT_DAYS = 7
# By receipt: a replay brings old posts, which must still be distinguished.
REMEMBERED_DAYS = 30


class Post(NamedTuple):
    event_id: str
    content: str | None
    event_time: int | None
    received_at: int


class PostEvidence(NamedTuple):
    first_event_id: str | None
    days_apart: float | None


class FirstPost(NamedTuple):
    """A post that was the first with its text."""

    event_id: str
    event_time: int
    received_at: int


def fingerprint(text: str) -> bytes:
    """16 bytes of SHA-256 of the text, whatever its case and spacing."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "surrogatepass")).digest()[:16]


class Posts(InOrder[Post, PostEvidence]):
    """State: for each text the first posts with it (no two within a week) that were received within 30 days.

    Any two posts may be the same, so all share a Kafka partition.
    """

    kind = "post"
    reads = Post._fields
    evidence = PostEvidence._fields
    looks_back_days = REMEMBERED_DAYS + 1

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        # Ordered by newest receipt.
        self._firsts: OrderedDict[bytes, list[FirstPost]] = OrderedDict()

    def memory(self) -> ValidatorState:
        rows = ((key, *first) for key, firsts in self._firsts.items() for first in firsts)
        return {"firsts": table_of(rows, ("text", *FirstPost._fields))}

    def restore(self, state: ValidatorState) -> None:
        for key, *first in tuples_of(state["firsts"]):
            self._firsts.setdefault(key, []).append(FirstPost(*first))

    def compare(self, row: Post) -> PostEvidence:
        _, text, time, received = row
        if text is None or time is None:
            return PostEvidence(None, None)
        nearest = self._nearest(fingerprint(text), time, received)
        if nearest is None:
            return PostEvidence(None, None)
        return PostEvidence(nearest.event_id, abs(time - nearest.event_time) / DAY)

    def remember(self, row: Post) -> None:
        event_id, text, time, received = row
        if text is None or time is None:
            return
        key = fingerprint(text)
        nearest = self._nearest(key, time, received)
        if nearest is not None and abs(time - nearest.event_time) <= SAME_TEXT_DAYS * DAY:
            return
        self._firsts[key] = [*self._recent(key, received), FirstPost(event_id, time, received)]
        self._firsts.move_to_end(key)
        while received - self._oldest_receipt() > REMEMBERED_DAYS * DAY:
            self._firsts.popitem(last=False)

    def _nearest(self, key: bytes, time: int, received: int) -> FirstPost | None:
        recent = self._recent(key, received)
        return min(recent, key=lambda first: abs(time - first.event_time), default=None)

    def _recent(self, key: bytes, received: int) -> list[FirstPost]:
        firsts = self._firsts.get(key, ())
        return [first for first in firsts if received - first.received_at <= REMEMBERED_DAYS * DAY]

    def _oldest_receipt(self) -> int:
        """The newest receipt of the text that was received longest ago."""
        return max(first.received_at for first in next(iter(self._firsts.values())))
