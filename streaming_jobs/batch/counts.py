"""Rows of gold.data_quality and gold.balance: how many events a batch judged, and how."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import Rule, kinds
from lakehouse.gold.data_quality import UNVIOLATED
from lakehouse.io.delta import BatchTag
from lakehouse.validation import Flags
from streaming_jobs.batch.event_index import DUPLICATE
from streaming_jobs.batch.kind_result import KindResult


def quality_rows(
    result: KindResult, rules: Sequence[Rule], rule_set: str, tag: BatchTag
) -> list[dict[str, Any]]:
    """How often each rule was evaluated and violated by the events that arrived, per door.

    A row a violated rule, and one for all others: a batch has some 25 rules, and mostly none is violated.
    """
    rows: list[dict[str, Any]] = []
    for door, chosen in doors(result):
        window = pc.min_max(result.events["received_at"].filter(pa.array(chosen)))
        masks = result.mask[chosen & (result.verdict != DUPLICATE)]
        violated = {rule.name: int(((masks >> bit) & 1).sum()) for bit, rule in enumerate(rules)}
        named = [{"rule": rule.name, "severity": rule.severity} for rule in rules]
        counts = [{**rule, "violated": violated[rule["rule"]]} for rule in named if violated[rule["rule"]]]
        unviolated = [rule for rule in named if not violated[rule["rule"]]]
        if unviolated:
            counts.append({"violated": 0, UNVIOLATED: unviolated})
        shared = {
            "stream_id": tag.stream_id,
            "batch_id": tag.batch_id,
            "table": kinds()[result.kind].table,
            "kind": result.kind,
            "source": door,
            "evaluated": len(masks),
            "rule_set": rule_set,
            "window_start": window["min"].as_py(),
            "window_end": window["max"].as_py(),
        }
        rows += [shared | count for count in counts]
    return rows


def doors(result: KindResult) -> Iterator[tuple[str, Flags]]:
    """Each door that events of this batch came through, with which rows they are."""
    encoded = result.events["door"].combine_chunks().dictionary_encode()
    numbers = encoded.indices.to_numpy()
    for number, door in enumerate(encoded.dictionary.to_pylist()):
        chosen = (numbers == number) & result.arrived
        if chosen.any():
            yield door, chosen


def balance_row(result: KindResult, tag: BatchTag, time: datetime) -> dict[str, Any]:
    """Events of one kind in a batch by where they landed.

    A resubmitted event leaves quarantine, for silver or back.
    """
    return {
        "stream_id": tag.stream_id,
        "batch_id": tag.batch_id,
        "kind": result.kind,
        "rows_in": int(result.arrived.sum()),
        "silver": int(result.accepted.sum()),
        "quarantine": int(result.refused.sum()) - len(result.resubmitted),
        "duplicates": int((result.verdict == DUPLICATE).sum()),
        "ingested_at": time,
    }
