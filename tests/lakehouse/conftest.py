"""Spark without a broker: rules and transforms judge tables built here."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.silver.verdicts import with_verdicts

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


def verdict_rows(spark: SparkSession, kind: str, events: pa.Table) -> list[dict[str, Any]]:
    """offset, event_id, reasons and _warnings of each event, in order.

    Times are left out: not every time fits Python's calendar.
    """
    frame = with_verdicts(spark.createDataFrame(events), kind, settings().validation.model_dump())
    return (
        frame.select("offset", "event_id", "reasons", "row._warnings").toArrow().sort_by("offset").to_pylist()
    )
