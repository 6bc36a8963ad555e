"""Events of new batches by who sent them, accepted or not: what the jobs count that follow senders."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.io.delta import open_table

QUARANTINE = "silver.quarantine"


def sent_events(table: str, senders: str, after: datetime, upto: datetime) -> pa.Table:
    """Events of a silver table from batches after `after`, up to `upto`. `senders`: pattern of their source.

    Columns: source, event_id, received_at, batch_time, event_time (null in quarantine), accepted.
    """
    accepted = table != QUARANTINE
    batch_time = pc.field("ingested_at" if accepted else "quarantined_at")
    names = ["source", "event_id", "received_at", *(["event_time"] if accepted else [])]
    columns = {"batch_time": batch_time} | {name: pc.field(name) for name in names}
    window = (batch_time > after) & (batch_time <= upto)
    rows = open_table(table).to_pyarrow_dataset().to_table(columns=columns, filter=window)
    rows = rows.filter(pc.match_substring_regex(rows["source"], senders))
    if not accepted:
        rows = rows.append_column("event_time", pa.nulls(len(rows), pa.timestamp("us", "UTC")))
    return rows.append_column("accepted", pa.repeat(accepted, len(rows)))
