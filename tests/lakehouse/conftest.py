"""Spark without a broker: rules and transforms judge tables that are made here."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.silver.verdicts import judged
from streaming_jobs.session import session

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(tmp_path_factory.mktemp("spark")))
        settings.cache_clear()
        made = session("tests")
    settings.cache_clear()
    yield made
    made.stop()


def bronze(kind: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of bronze.events of one kind: `event_id` and `value` given, the rest as usual unless it is given too."""
    usual = {
        "topic": f"lumbung.{kind}", "partition": 0, "kafka_timestamp": NOW, "kind": kind, "source": "test:1", "received_at": NOW,
        "content_type": "application/json", "ingested_at": NOW, "ingest_date": NOW.date(),
    }  # fmt: skip
    made = [usual | {"offset": offset} | row for offset, row in enumerate(rows)]
    return pa.Table.from_pylist(made, schema=arrow_schema(contracts()["bronze.events"]))


def verdict_rows(spark: SparkSession, kind: str, events: pa.Table) -> list[dict[str, Any]]:
    """offset, event_id, reasons and _warnings of each event, in order; times stay out: not every one fits Python's calendar."""
    frame = judged(spark.createDataFrame(events), kind, settings().validation.model_dump())
    return frame.select("offset", "event_id", "reasons", "row._warnings").toArrow().sort_by("offset").to_pylist()
