"""Verdicts, reasons and silver rows are those that Spark's JSON parser and expressions gave before.

`tests/cases/recorded_verdicts.jsonl.gz` holds mutated events (`mutated_events.py`) with what Spark made of
them. A rule, column or message that is changed on purpose is changed there too; new ones need no change.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from conf.settings import REPO
from lakehouse.contracts.contract import kinds
from lakehouse.contracts.rule_masks import names_in
from lakehouse.verdicts.exact import Payload, read
from tests.lakehouse.conftest import bronze, reasons_of, verdicts_of

FILE = REPO / "tests" / "cases" / "recorded_verdicts.jsonl.gz"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Event = dict[str, Any]
# Why a verdict may differ -> whether it may, by the bytes and what they hold.
NAMED: dict[str, Callable[[bytes, Payload], bool]] = {
    "a payload that cannot be read has no fields; Spark kept those before the place where its parser gave "
    "up, read on behind a raw control character, and accepted brackets behind the object": (
        lambda body, payload: payload.malformed
    ),
    "a field is a field of the event, not one of an object inside it, nor a name with a quote": (
        lambda body, payload: any(text in body for text in (b'{"price": "x"}', b'"\\"'))
    ),
    "half a character inside a list is a question mark; the event is refused for it": (
        lambda body, payload: payload.broken_text
    ),
    "null in a list of names is shown as null": lambda body, payload: b"null" in body and b"[" in body,
}


def recorded() -> dict[str, list[Event]]:
    """Kind -> its events."""
    events = defaultdict(list)
    for line in gzip.decompress(FILE.read_bytes()).splitlines():
        event = json.loads(line)
        events[event.pop("kind")].append(event)
    return events


RECORDED = recorded()


def plain(column: pa.ChunkedArray) -> list[Any]:
    """Times as microseconds and days as numbers: not every one fits Python's calendar."""
    values = column.combine_chunks()
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return (values.cast(pa.int32()) if pa.types.is_date(values.type) else values).to_pylist()


def outcomes(kind: str, events: list[Event]) -> list[Event]:
    """What is recorded of each event, by today's rules."""
    rows = [
        {
            "event_id": f"{kind}-{number}",
            "value": event["value"].encode("latin-1"),
            "source": event["source"],
            "received_at": EPOCH + timedelta(microseconds=event["received_at"]),
            "other_headers": list(map(tuple, event.get("other_headers", []))) or None,
        }
        for number, event in enumerate(events)
    ]
    verdicts = verdicts_of(kind, bronze(kind, rows))
    columns = {name: plain(verdicts.table[name]) for name in verdicts.table.column_names}
    refusals = reasons_of(verdicts)
    return [
        {
            "violated": list(names_in(int(mask), verdicts.rules)),
            "raw": [columns["raw_market"][number], columns["raw_commodity"][number]],
            "reasons": reasons and [[reason["rule"], reason["message"]] for reason in reasons],
            "row": {name: values[number] for name, values in columns.items()},
        }
        for number, (mask, reasons) in enumerate(zip(verdicts.mask, refusals, strict=True))
    ]


def differs(event: Event, outcome: Event, known: set[str]) -> bool:
    """`known`: rules that were there when the event was recorded."""
    reasons = outcome["reasons"] and [reason for reason in outcome["reasons"] if reason[0] in known]
    row = {name: outcome["row"][name] for name in event.get("row", ())}
    return (
        event["violated"] != [name for name in outcome["violated"] if name in known]
        or event["raw"] != outcome["raw"]
        or event.get("reasons") != reasons
        or event.get("row", {}) != row
    )


@pytest.mark.parametrize("kind", sorted(RECORDED))
def test_outcome_is_the_recorded_one_but_for_named_differences(kind: str):
    events = RECORDED[kind]
    known = {rule.name for rule in kinds()[kind].rules}
    unnamed = []
    for event, outcome in zip(events, outcomes(kind, events), strict=True):
        body = event["value"].encode("latin-1")
        payload = read(body, kinds()[kind])
        if differs(event, outcome, known) and not any(is_named(body, payload) for is_named in NAMED.values()):
            unnamed.append((body, event, outcome))
    assert not unnamed


def test_most_events_are_recorded_alike():
    """Names of differences excuse few events."""
    different = sum(
        differs(event, outcome, {rule.name for rule in kinds()[kind].rules})
        for kind, events in RECORDED.items()
        for event, outcome in zip(events, outcomes(kind, events), strict=True)
    )
    assert different <= sum(map(len, RECORDED.values())) // 20
