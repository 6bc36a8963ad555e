"""Which event ids of one Kafka partition have landed: sorted runs of 24 bytes an id, mapped from files.

Producers send an event, and all repetitions of it, to the same partition, so a partition needs its own ids
only. bronze.events is the source of truth: the ids of a partition can be read from it again. Ids are kept for
ever, as a rebuild compares each event with all of bronze.

An id belongs to the sender that used it first. With it are kept a hash of that sender and one of sender and
payload. An event of another sender goes on under `id_of_sender`, so nobody loses an event because its id was
used by somebody else; the same sender's other payload is a conflict, which is quarantined. Two senders with
the same 4 bytes of hash count as one: the later event is a conflict then, and no duplicate, which is dropped.

An id is kept as 12 bytes of BLAKE2b. Among n ids two have the same with a probability below n²/2⁹⁷: 6.3e-14
for 10⁸; the later event is then a conflict, unless sender and payload are the same too.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lakehouse.event import id_of_sender

NEW = 0
DUPLICATE = 1
CONFLICT = 2
IdVerdicts = npt.NDArray[np.int8]
Run = npt.NDArray[np.void]  # of ENTRY, ascending by `head`
# 12 bytes of the id, 4 of the sender, 8 of sender and payload.
ENTRY = np.dtype([("head", "<u8"), ("tail", "<u4"), ("sender", "<u4"), ("payload", "<i8")])
CLASSIFIED = ("event_id", "sender", "payload_hash")  # columns, as `EventIds.classify` takes them
# A run is merged with those after it once they hold this share of its ids, so that there are few to search.
MERGED_SHARE = 0.25
MOST_MERGED = 1 << 24  # ids of a run that is not merged any more: 400 MB


class Classified(NamedTuple):
    """NEW, DUPLICATE or CONFLICT for each event; row -> id, where another sender has the id of the event."""

    verdicts: IdVerdicts
    other_ids: dict[int, str]


def entries(kind: str, ids: Sequence[str], senders: Sequence[str], hashes: Sequence[int]) -> Run:
    """What is kept of each event."""
    prefix = f"{kind}|"
    digests = b"".join([blake2b((prefix + name).encode(), digest_size=12).digest() for name in ids])
    packed = np.frombuffer(digests, dtype=[("head", "<u8"), ("tail", "<u4")])
    prints = {sender: _print(sender) for sender in set(senders)}
    whole = np.empty(len(ids), dtype=ENTRY)
    whole["head"], whole["tail"] = packed["head"], packed["tail"]
    whole["sender"] = np.fromiter((prints[sender] for sender in senders), np.uint32, len(ids))
    whole["payload"] = hashes
    return whole


def _print(sender: str) -> int:
    return int.from_bytes(blake2b(sender.encode(), digest_size=4).digest(), "little")


def as_conflict(entry: np.void) -> np.void:
    """The entry that stands for a later payload of an id."""
    digest = blake2b(entry.tobytes(), digest_size=12, person=b"conflict").digest()
    whole = np.array(entry, dtype=ENTRY)
    whole["head"] = int.from_bytes(digest[:8], "little")
    whole["tail"] = int.from_bytes(digest[8:], "little")
    return whole.reshape(1)[0]  # type: ignore[no-any-return]


def _sorted(run: Run) -> Run:
    return run[np.argsort(run["head"], kind="stable")]


class EventIds:
    """(kind, event id) -> hashes of the sender and the payload that came first, of one partition."""

    def __init__(self, runs: Sequence[Run] = ()) -> None:
        self.runs: list[Run] = list(runs)  # oldest and largest first

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def classify(
        self, kind: str, ids: Sequence[str], senders: Sequence[str], hashes: Sequence[int]
    ) -> Classified:
        """The verdict on each event, in Kafka order; keeps the new ones.

        The first payload of an id is NEW; the same payload again is a DUPLICATE; another payload of the same
        sender is a CONFLICT once. What another sender sends under an id that is taken has that sender's own
        id.
        """
        given = entries(kind, ids, senders, hashes)
        heads = given["head"]
        order = np.argsort(heads, kind="stable")
        again = np.flatnonzero(heads[order[1:]] == heads[order[:-1]])
        special = self._places(given) >= 0
        special[order[again]] = special[order[again + 1]] = True
        while True:
            walk = _Walk(self, kind, ids, senders, given)
            walk.over(np.flatnonzero(special))
            # A program that writes to Kafka may have given such an id itself.
            named = np.isin(heads, walk.other_heads) & ~special
            if not named.any():
                break
            special |= named
        self._add(np.concatenate([given[~special], np.array(walk.added, dtype=ENTRY)]))
        return Classified(walk.verdicts, walk.other_ids)

    def first(self, entry: np.void) -> np.void | None:
        """The entry of that id that came first; None without one."""
        for run in self.runs:
            at = _place_in(run, np.array([entry], dtype=ENTRY))[0]
            if at >= 0:
                entry_of_run: np.void = run[at]
                return entry_of_run
        return None

    def _places(self, wanted: Run) -> npt.NDArray[np.int64]:
        """Not negative where an id is in one of the runs."""
        places = np.full(len(wanted), -1, dtype=np.int64)
        for run in self.runs:
            places = np.maximum(places, _place_in(run, wanted))
        return places

    def _add(self, run: Run) -> None:
        """Keep a run, merged with those before it that are not much larger: so there are few."""
        if not len(run):
            return
        merged = [run]
        size = len(run)
        while self.runs and MERGED_SHARE * len(self.runs[-1]) <= size < MOST_MERGED:
            merged.append(self.runs.pop())
            size += len(merged[-1])
        self.runs.append(_sorted(np.concatenate(merged[::-1])))


class _Walk:
    """Verdicts on rows whose id is known, or comes several times, one after the other."""

    def __init__(
        self, known: EventIds, kind: str, ids: Sequence[str], senders: Sequence[str], given: Run
    ) -> None:
        self._known = known
        self._kind = kind
        self._ids = ids
        self._senders = senders
        self._given = given
        self._added: dict[tuple[int, int], np.void] = {}
        self.verdicts = np.full(len(ids), NEW, dtype=np.int8)
        self.other_ids: dict[int, str] = {}
        self.other_heads: list[np.uint64] = []

    @property
    def added(self) -> list[np.void]:
        """Entries that were not known."""
        return list(self._added.values())

    def over(self, rows: npt.NDArray[np.int64]) -> None:
        """Judge these rows, in their order."""
        for row in rows.tolist():
            self.verdicts[row] = self._verdict(row)

    def _verdict(self, row: int) -> int:
        entry = self._given[row]
        first = self._first(entry)
        if first is not None and first["sender"] != entry["sender"]:
            entry = self._under_another_id(row)
            first = self._first(entry)
        verdict = NEW
        if first is not None and _value(first) != _value(entry):
            entry = as_conflict(entry)
            first = self._first(entry)
            verdict = CONFLICT
        if first is not None:
            return DUPLICATE
        self._added[_key(entry)] = entry
        return verdict

    def _first(self, entry: np.void) -> np.void | None:
        added = self._added.get(_key(entry))
        return self._known.first(entry) if added is None else added

    def _under_another_id(self, row: int) -> np.void:
        sender = self._senders[row]
        self.other_ids[row] = id_of_sender(self._ids[row], sender)
        payload = [int(self._given["payload"][row])]
        entry: np.void = entries(self._kind, [self.other_ids[row]], [sender], payload)[0]
        self.other_heads.append(entry["head"])
        return entry


def _key(entry: np.void) -> tuple[int, int]:
    return int(entry["head"]), int(entry["tail"])


def _value(entry: np.void) -> tuple[int, int]:
    return int(entry["sender"]), int(entry["payload"])


def _place_in(run: Run, wanted: Run) -> npt.NDArray[np.int64]:
    """Place of each id in a run; -1 where it is not there."""
    heads = run["head"]
    first = np.searchsorted(heads, wanted["head"])
    places = np.full(len(wanted), -1, dtype=np.int64)
    for step in range(2):  # that three of 2⁶⁴ heads are the same does not happen
        at = np.minimum(first + step, len(run) - 1)
        matches = (heads[at] == wanted["head"]) & (run["tail"][at] == wanted["tail"])
        places = np.where(matches, at, places)
    return places
