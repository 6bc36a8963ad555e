"""Accepted events with unknown fields, and their bytes in bronze -> gold.schema_drift; a field new to us is told once."""

import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts, kinds
from lakehouse.gold.schema_drift import RULE, Bearer, add
from streaming_jobs.delta_sink import open_table, overwrite_arrow, taken_up_to

log = logging.getLogger("lumbung.drift")
TABLE = "gold.schema_drift"
PLACE = ["topic", "partition", "offset"]
EVENT = [*PLACE, "event_id", "source", "received_at", "ingested_at"]
EVENTS_AT_ONCE = 20_000  # bounds memory: their bytes are read together


class SchemaDrift:
    """Looks at silver rows that bear the warning and are newer than its mark, and reads what they said in bronze."""

    name = "schema_drift"

    def refresh(self) -> None:
        """Count what finished batches brought. Rows and mark are one commit: killed before it, nothing was counted or told."""
        mark = taken_up_to(TABLE)
        finished = open_table("gold.balance").to_pyarrow_dataset()
        upto = pc.max(finished.to_table(columns=["ingested_at"], filter=pc.field("ingested_at") > mark)["ingested_at"]).as_py()
        if upto is None:
            return
        standing = {(row["kind"], row["field"]): row for row in open_table(TABLE).to_pyarrow_table().to_pylist()}
        rows = add(standing, bearers(mark, upto))
        contract = contracts()[TABLE]
        overwrite_arrow(pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(contract)), contract, "{}", upto=upto)
        for kind, field in rows.keys() - standing.keys():
            # ascii: a name may hold line ends or worse.
            log.warning("%s: unknown field %s, first in event %s", kind, ascii(field), rows[kind, field]["first_event_id"])


def bearers(after: datetime, upto: datetime) -> Iterator[Bearer]:
    """Events of all kinds with the warning, of batches after `after` up to `upto`; those of a kind in order of arrival."""
    warned = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    for kind, contract in kinds().items():
        dataset = open_table(contract.table).to_pyarrow_dataset()
        found = [
            pa.table(batch.drop_columns(["_warnings"]).filter(has_warning(batch["_warnings"])))
            for batch in dataset.to_batches(columns=[*EVENT, "_warnings"], filter=warned)
        ]
        if not any(piece.num_rows for piece in found):
            continue
        rows = pa.concat_tables(found).group_by(EVENT).aggregate([])  # several rows may be one event
        rows = rows.sort_by([(name, "ascending") for name in ("ingested_at", *PLACE)])
        for first in range(0, rows.num_rows, EVENTS_AT_ONCE):
            yield from _with_bytes(kind, rows.slice(first, EVENTS_AT_ONCE))


def has_warning(warnings: pa.Array) -> pa.Array:
    """Which rows name the rule."""
    named = pc.equal(pc.list_flatten(warnings), RULE)
    return pc.is_in(pa.array(range(len(warnings))), pc.list_parent_indices(warnings).filter(named))


def _with_bytes(kind: str, rows: pa.Table) -> Iterator[Bearer]:
    """The events with the payloads of their records, out of the days of bronze between receipt and landing."""
    days = spans(rows["received_at"].to_pylist(), rows["ingested_at"].to_pylist())
    first, last = pc.min_max(rows["offset"]).as_py().values()
    near = (pc.field("offset") >= first) & (pc.field("offset") <= last) & pc.field("topic").isin(pc.unique(rows["topic"]))
    records = (
        open_table("bronze.events")
        .to_pyarrow_dataset()
        .to_table(columns=[*PLACE, "value"], filter=pc.field("ingest_date").isin(days) & near)
    )
    joined = rows.join(records, PLACE, join_type="left outer").sort_by([(name, "ascending") for name in ("ingested_at", *PLACE)])
    for row in joined.select(["event_id", "source", "ingested_at", "value"]).to_pylist():
        yield Bearer(kind, row["event_id"], row["source"], row["ingested_at"], row["value"] or b"")


def spans(received: list[datetime], ingested: list[datetime]) -> list[date]:
    """Days on which bronze took the records up: that of landing, or, when a person let it pass later, one since its receipt."""
    days: set[date] = set()
    for first, last in {(min(early.date(), late.date()), late.date()) for early, late in zip(received, ingested, strict=True)}:
        days |= {first + timedelta(days=n) for n in range((last - first).days + 1)}
    return sorted(days)
