"""Rows of gold.data_quality and gold.balance: how many events a batch judged, and how."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import Rule, kinds
from lakehouse.gold.data_quality import UNVIOLATED
from lakehouse.io.delta import BatchTag
from streaming_jobs.batch.event_ids import DUPLICATE
from streaming_jobs.batch.kind_result import KindResult

COUNTED = ("rows_in", "silver", "quarantine", "duplicates")


@dataclass(frozen=True)
class DoorCounts:
    """Events that came through a door. `violated`: events a rule, of all rules of the kind in their order."""

    door: str
    evaluated: int
    violated: tuple[int, ...]
    first: datetime  # received_at
    last: datetime

    def __add__(self, other: "DoorCounts") -> "DoorCounts":
        return DoorCounts(
            self.door,
            self.evaluated + other.evaluated,
            tuple(map(sum, zip(self.violated, other.violated, strict=True))),
            min(self.first, other.first),
            max(self.last, other.last),
        )


@dataclass(frozen=True)
class KindCounts:
    """Events of one kind by where they landed, those of all places of a batch added up.

    A resubmitted event leaves quarantine, for silver or back.
    """

    kind: str
    rows_in: int
    silver: int
    quarantine: int
    duplicates: int
    doors: tuple[DoorCounts, ...]

    def __add__(self, other: "KindCounts") -> "KindCounts":
        doors = {door.door: door for door in self.doors}
        for door in other.doors:
            doors[door.door] = doors[door.door] + door if door.door in doors else door
        sums = {name: getattr(self, name) + getattr(other, name) for name in COUNTED}
        return KindCounts(self.kind, **sums, doors=tuple(doors.values()))


def counts_of(result: KindResult, rules: Sequence[Rule]) -> KindCounts:
    """The counts of a result."""
    return KindCounts(
        result.kind,
        rows_in=int(result.arrived.sum()),
        silver=int(result.accepted.sum()),
        quarantine=int(result.refused.sum()) - len(result.resubmitted),
        duplicates=int((result.verdict == DUPLICATE).sum()),
        doors=tuple(_door_counts(result, len(rules))),
    )


def counts_by_kind(counts: Iterable[KindCounts]) -> list[KindCounts]:
    """Counts of several places, added up by kind."""
    sums: dict[str, KindCounts] = {}
    for part in counts:
        sums[part.kind] = sums[part.kind] + part if part.kind in sums else part
    return [sums[kind] for kind in sorted(sums)]


def _door_counts(result: KindResult, rules: int) -> Iterator[DoorCounts]:
    """Counts of each door that events of this batch came through."""
    encoded = result.events["door"].combine_chunks().dictionary_encode()
    numbers = encoded.indices.to_numpy()
    for number, door in enumerate(encoded.dictionary.to_pylist()):
        chosen = (numbers == number) & result.arrived
        if not np.any(chosen):
            continue
        window = pc.min_max(result.events["received_at"].filter(pa.array(chosen)))
        masks = Counter(result.mask[chosen & (result.verdict != DUPLICATE)].tolist())
        violated = tuple(
            sum(times for mask, times in masks.items() if mask >> bit & 1) for bit in range(rules)
        )
        yield DoorCounts(door, masks.total(), violated, window["min"].as_py(), window["max"].as_py())


def quality_rows(
    counts: KindCounts, rules: Sequence[Rule], rule_set: str, tag: BatchTag
) -> list[dict[str, Any]]:
    """How often each rule was evaluated and violated by the events that arrived, per door.

    A row a violated rule, and one for all others: a batch has some 25 rules, and mostly none is violated.
    """
    rows: list[dict[str, Any]] = []
    for door in counts.doors:
        named = [
            ({"rule": rule.name, "severity": rule.severity}, violated)
            for rule, violated in zip(rules, door.violated, strict=True)
        ]
        listed: list[dict[str, Any]] = [
            {**rule, "violated": violated} for rule, violated in named if violated
        ]
        if unviolated := [rule for rule, violated in named if not violated]:
            listed.append({"violated": 0, UNVIOLATED: unviolated})
        shared = {
            "stream_id": tag.stream_id,
            "batch_id": tag.batch_id,
            "table": kinds()[counts.kind].table,
            "kind": counts.kind,
            "source": door.door,
            "evaluated": door.evaluated,
            "rule_set": rule_set,
            "window_start": door.first,
            "window_end": door.last,
        }
        rows += [shared | row for row in listed]
    return rows


def balance_row(counts: KindCounts, tag: BatchTag, time: datetime) -> dict[str, Any]:
    """Events of one kind in a batch by where they landed."""
    return {
        "stream_id": tag.stream_id,
        "batch_id": tag.batch_id,
        "kind": counts.kind,
        **{name: getattr(counts, name) for name in COUNTED},
        "ingested_at": time,
    }
