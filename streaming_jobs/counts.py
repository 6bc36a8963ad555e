"""Verdicts -> counts: rows of gold.data_quality and gold.balance."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contract import Rule, kinds
from streaming_jobs.delta_sink import BatchTag
from streaming_jobs.event_ids import DUPLICATE
from streaming_jobs.judging import KindResult


def quality_rows(result: KindResult, rules: Sequence[Rule], rule_set: str, tag: BatchTag) -> list[dict[str, Any]]:
    """How often each rule was evaluated and violated by what arrived, per door, zeros included."""
    rows: list[dict[str, Any]] = []
    for door, chosen in doors(result):
        window = pc.min_max(result.narrow["received_at"].filter(pa.array(chosen)))
        judged = chosen & (result.verdict != DUPLICATE)
        for bit, rule in enumerate(rules):
            rows.append(
                {
                    "stream_id": tag.stream_id,
                    "batch_id": tag.batch_id,
                    "table": kinds()[result.kind].table,
                    "kind": result.kind,
                    "source": door,
                    "rule": rule.name,
                    "severity": rule.severity,
                    "evaluated": int(judged.sum()),
                    "violated": int(((result.mask & (1 << bit)) != 0)[judged].sum()),
                    "rule_set": rule_set,
                    "window_start": window["min"].as_py(),
                    "window_end": window["max"].as_py(),
                }
            )
    return rows


def doors(result: KindResult) -> Iterator[tuple[str, np.ndarray]]:
    """(door, which rows came through it in this batch) for each door with any."""
    found = result.narrow["door"].combine_chunks().dictionary_encode()
    numbers = found.indices.to_numpy()
    for number, door in enumerate(found.dictionary.to_pylist()):
        chosen = (numbers == number) & result.arrived
        if chosen.any():
            yield door, chosen


def balance_row(result: KindResult, tag: BatchTag, time: datetime) -> dict[str, Any]:
    """What became of the events of one kind in a batch. What a decision sent round again leaves quarantine, to silver or back."""
    return {
        "stream_id": tag.stream_id,
        "batch_id": tag.batch_id,
        "kind": result.kind,
        "rows_in": int(result.arrived.sum()),
        "silver": int(result.accepted.sum()),
        "quarantine": int(result.refused.sum()) - len(result.reentries),
        "duplicates": int((result.verdict == DUPLICATE).sum()),
        "ingested_at": time,
    }
