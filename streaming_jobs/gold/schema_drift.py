"""Events with unknown fields, accepted or quarantined -> gold.schema_drift; a new field is logged once."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lakehouse.arrow import ordered
from lakehouse.contracts.contract import kinds
from lakehouse.contracts.payload_check import UNKNOWN_FIELD
from lakehouse.io.delta import open_table, shaped
from streaming_jobs.gold.contract_sql import SqlJob
from streaming_jobs.gold.driver import QUARANTINE, Change, News, Views

log = logging.getLogger("lumbung.schema_drift")
TABLE = "gold.schema_drift"
COORDINATES = ["topic", "partition", "offset"]
EVENT = [*COORDINATES, "event_id", "source", "received_at", "ingested_at"]
FIELDS = pa.schema(
    {
        **dict.fromkeys(("kind", "field", "json_type", "event_id", "source"), pa.string()),
        "seen_at": pa.timestamp("us", "UTC"),
        "accepted": pa.bool_(),
        **dict.fromkeys(("event", "number"), pa.int64()),
    }
)
NAME_LENGTH = 100
TYPES = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}
Row = dict[str, Any]
EVENTS_AT_ONCE = 20_000  # bounds memory: their payloads are read together


class SchemaDrift(SqlJob):
    """The contract's SQL over the unknown fields of events that carry the warning.

    Those of quarantined events follow those of accepted ones, kind by kind in order of arrival.
    """

    def __init__(self) -> None:
        super().__init__(TABLE)

    def compute(self, news: News) -> Iterator[Change]:
        """All rows with what the batches brought added; a field that they brought first is logged."""
        for change in super().compute(news):
            yield change
            rows = shaped(change.rows, self.contract)
            for row in rows.filter(pc.field("first_seen_at") > news.after).to_pylist():
                field = ascii(row["field"])  # a name may hold line breaks
                log.warning(
                    "%s: unknown field %s, first in event %s", row["kind"], field, row["first_event_id"]
                )

    def prepared(self, rows_of: Callable[[str], ds.Dataset]) -> Views:
        """The view `unknown_fields`; some thousand payloads are in memory together."""
        parts = chain(accepted(rows_of), quarantined(rows_of(QUARANTINE)))
        return {"unknown_fields": pa.RecordBatchReader.from_batches(FIELDS, numbered(parts))}


def numbered(parts: Iterable[list[Row]]) -> Iterator[pa.RecordBatch]:
    """Rows of the view from events with their payloads."""
    events = fields = 0
    for part in parts:
        rows = []
        for event in part:
            events += 1
            payload = event.pop("payload") or b""
            for field, json_type in unknown_fields(event["kind"], payload).items():
                fields += 1
                rows.append(
                    event | {"field": field, "json_type": json_type, "event": events, "number": fields}
                )
        yield from pa.Table.from_pylist(rows, FIELDS).to_batches()


def unknown_fields(kind: str, payload: bytes) -> dict[str, str]:
    """Name -> JSON type of the fields that the contract does not name; empty unless it is one JSON object."""
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError:  # what Spark reads and orjson does not, such as numbers beyond 1e308
        return {}
    known = {field.name for field in kinds()[kind].payload}
    pairs = fields.items() if isinstance(fields, dict) else ()
    return {name[:NAME_LENGTH]: TYPES[type(value)] for name, value in pairs if name not in known}


def accepted(rows_of: Callable[[str], ds.Dataset]) -> Iterator[list[Row]]:
    """Accepted events with the warning, and their payloads."""
    for kind, contract in kinds().items():
        warned = [
            pa.table(batch.drop_columns(["_warnings"]).filter(has_warning(batch["_warnings"])))
            for batch in rows_of(contract.table).to_batches(columns=[*EVENT, "_warnings"])
        ]
        if not any(part.num_rows for part in warned):
            continue
        rows = pa.concat_tables(warned).group_by(EVENT).aggregate([])  # several rows may be one event
        rows = ordered(rows, "ingested_at", *COORDINATES)
        for first in range(0, rows.num_rows, EVENTS_AT_ONCE):
            part = with_payloads(rows.slice(first, EVENTS_AT_ONCE))
            names = ["event_id", "source", "seen_at", *COORDINATES, "payload"]
            yield [row | {"kind": kind, "accepted": True} for row in part.rename_columns(names).to_pylist()]


def quarantined(refused: ds.Dataset) -> Iterator[list[Row]]:
    """Quarantined events that also carry the warning, with their payloads."""
    columns = ["kind", "event_id", "source", "quarantined_at", "payload", "reasons", *COORDINATES]
    for batch in refused.to_batches(columns=columns):
        reasons = pa.table(batch)["reasons"].combine_chunks()
        rules = pa.ListArray.from_arrays(reasons.offsets, reasons.values.field("rule"))
        rows = pa.table(batch).drop_columns(["reasons"]).filter(has_warning(rules))
        in_order = ordered(rows, "quarantined_at", *COORDINATES).to_pylist()
        yield [
            row | {"seen_at": row["quarantined_at"], "accepted": False}
            for row in in_order
            if row["kind"] in kinds()
        ]


def has_warning(warnings: pa.Array) -> pa.Array:
    """Which rows carry the warning."""
    named = pc.equal(pc.list_flatten(warnings), UNKNOWN_FIELD)
    return pc.is_in(pa.array(range(len(warnings))), pc.list_parent_indices(warnings).filter(named))


def with_payloads(rows: pa.Table) -> pa.Table:
    """The events with the payloads of their records, from the days of bronze between receipt and landing."""
    days = days_of(rows["received_at"].to_pylist(), rows["ingested_at"].to_pylist())
    first, last = pc.min_max(rows["offset"]).as_py().values()
    near = (
        (pc.field("offset") >= first)
        & (pc.field("offset") <= last)
        & pc.field("topic").isin(pc.unique(rows["topic"]))
    )
    records = (
        open_table("bronze.events")
        .to_pyarrow_dataset()
        .to_table(columns=[*COORDINATES, "value"], filter=pc.field("ingest_date").isin(days) & near)
    )
    joined = rows.join(records, COORDINATES, join_type="left outer")
    return ordered(joined, "ingested_at", *COORDINATES).select(
        ["event_id", "source", "ingested_at", *COORDINATES, "value"]
    )


def days_of(received: list[datetime], ingested: list[datetime]) -> list[date]:
    """Days on which bronze may have taken the records up.

    The day of landing; for an event released later, every day since its receipt.
    """
    spans = {
        (min(early.date(), late.date()), late.date()) for early, late in zip(received, ingested, strict=True)
    }
    days: set[date] = set()
    for first, last in spans:
        days |= {first + timedelta(days=number) for number in range((last - first).days + 1)}
    return sorted(days)


JOB = SchemaDrift
