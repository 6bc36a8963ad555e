"""Rules and transforms judge tables built here, without a broker."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.contracts.rule_masks import mask_of
from lakehouse.verdicts.reasons import reasons
from lakehouse.verdicts.rows import Verdicts, row_verdicts

NOW = datetime.now(UTC).replace(microsecond=0)


def bronze(kind: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of bronze.events of one kind. `rows` give `event_id` and `value`; other columns have defaults."""
    usual = {
        "topic": f"lumbung.{kind}",
        "partition": 0,
        "kafka_timestamp": NOW,
        "kind": kind,
        "source": "test:1",
        "received_at": NOW,
        "content_type": "application/json",
        "ingested_at": NOW,
        "ingest_date": NOW.date(),
    }
    events = [usual | {"offset": offset} | row for offset, row in enumerate(rows)]
    return pa.Table.from_pylist(events, schema=arrow_schema(contracts()["bronze.events"]))


def verdicts_of(kind: str, events: pa.Table) -> Verdicts:
    """Verdicts by the knobs of this home."""
    return row_verdicts(events, kind, settings().rule_values())


def reasons_of(verdicts: Verdicts) -> list[list[dict[str, str]] | None]:
    """Reasons of each event; None where it is accepted."""
    refused = np.flatnonzero(verdicts.mask & mask_of(verdicts.rules, "error"))
    given_reasons: list[list[dict[str, str]] | None] = [None] * len(verdicts.mask)
    for row, given in zip(refused, reasons(verdicts, refused).to_pylist(), strict=True):
        given_reasons[row] = given
    return given_reasons


def verdict_rows(kind: str, events: pa.Table) -> list[dict[str, Any]]:
    """offset, event_id, reasons and _warnings of each event, in order.

    Times are left out: not every time fits Python's calendar.
    """
    verdicts = verdicts_of(kind, events)
    rows = verdicts.table.select(["offset", "event_id", "_warnings"]).to_pylist()
    return [row | {"reasons": given} for row, given in zip(rows, reasons_of(verdicts), strict=True)]
