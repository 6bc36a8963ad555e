"""Events with unknown fields, accepted or quarantined -> gold.schema_drift; a new field is logged once."""

import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import ordered
from lakehouse.contracts.contract import kinds
from lakehouse.gold.schema_drift import RULE, EventWithUnknownField, add
from lakehouse.io.delta import open_table
from streaming_jobs.gold.driver import QUARANTINE, BatchJob, Change, News

log = logging.getLogger("lumbung.schema_drift")
TABLE = "gold.schema_drift"
COORDINATES = ["topic", "partition", "offset"]
EVENT = [*COORDINATES, "event_id", "source", "received_at", "ingested_at"]
EVENTS_AT_ONCE = 20_000  # bounds memory: their payloads are read together


class SchemaDrift(BatchJob):
    """Reads silver rows that carry the warning, and the payloads of their events in bronze.

    Not in SQL: the first fields of a kind get rows of their own, event by event in order of arrival.
    """

    name = "schema_drift"
    tables = (TABLE,)

    def compute(self, news: News) -> Iterator[Change]:
        """All rows with what the batches brought added."""
        current = {
            (row["kind"], row["field"]): row for row in open_table(TABLE).to_pyarrow_table().to_pylist()
        }
        accepted = add(current, events_with_unknown_fields(news))
        rows = add(accepted, quarantined_with_unknown_fields(news))
        yield Change(TABLE, list(rows.values()))
        for kind, field in rows.keys() - current.keys():
            log.warning(
                "%s: unknown field %s, first in event %s",
                kind,
                ascii(field),  # a name may hold line breaks
                rows[kind, field]["first_event_id"],
            )


def events_with_unknown_fields(news: News) -> Iterator[EventWithUnknownField]:
    """Events with the warning; within a kind they are in order of arrival."""
    for kind, contract in kinds().items():
        warned = [
            pa.table(batch.drop_columns(["_warnings"]).filter(has_warning(batch["_warnings"])))
            for batch in news.of(contract.table).to_batches(columns=[*EVENT, "_warnings"])
        ]
        if not any(part.num_rows for part in warned):
            continue
        rows = pa.concat_tables(warned).group_by(EVENT).aggregate([])  # several rows may be one event
        rows = ordered(rows, "ingested_at", *COORDINATES)
        for first in range(0, rows.num_rows, EVENTS_AT_ONCE):
            yield from _with_payloads(kind, rows.slice(first, EVENTS_AT_ONCE))


def quarantined_with_unknown_fields(news: News) -> Iterator[EventWithUnknownField]:
    """Quarantined events that also carry the warning, of the same batches, in order of arrival."""
    columns = ["kind", "event_id", "source", "quarantined_at", "payload", "reasons", *COORDINATES]
    for batch in news.of(QUARANTINE).to_batches(columns=columns):
        reasons = pa.table(batch)["reasons"].combine_chunks()
        rules = pa.ListArray.from_arrays(reasons.offsets, reasons.values.field("rule"))
        rows = pa.table(batch).drop_columns(["reasons"]).filter(has_warning(rules))
        for row in ordered(rows, "quarantined_at", *COORDINATES).to_pylist():
            if row["kind"] in kinds():
                yield EventWithUnknownField(
                    row["kind"],
                    row["event_id"],
                    row["source"],
                    row["quarantined_at"],
                    row["payload"] or b"",
                    "quarantined",
                )


def has_warning(warnings: pa.Array) -> pa.Array:
    """Which rows carry the warning."""
    named = pc.equal(pc.list_flatten(warnings), RULE)
    return pc.is_in(pa.array(range(len(warnings))), pc.list_parent_indices(warnings).filter(named))


def _with_payloads(kind: str, rows: pa.Table) -> Iterator[EventWithUnknownField]:
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
    joined = ordered(rows.join(records, COORDINATES, join_type="left outer"), "ingested_at", *COORDINATES)
    for row in joined.select(["event_id", "source", "ingested_at", "value"]).to_pylist():
        yield EventWithUnknownField(
            kind, row["event_id"], row["source"], row["ingested_at"], row["value"] or b""
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
