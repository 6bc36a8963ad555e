"""Statistics of the files that tasks write: a filter finds the rows of every file."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pytest

from lakehouse.io.delta import BatchTag, open_table
from lakehouse.io.delta_files import append_batch
from tests.support.empty_lake import copy_empty_tables

NOW = datetime(2026, 11, 26, tzinfo=UTC)
IDS = ("a-1", "u-" + "7" * 32, "b" * 32, "b" * 33 + "ü", "u-" + "8" * 126)


@pytest.mark.parametrize("event_id", IDS)
def test_row_is_found_by_its_id_however_long_the_ids_of_each_file_are(lone_home: Path, event_id: str) -> None:
    copy_empty_tables()
    for number, own in enumerate(IDS):
        row = {"event_id": own, "kind": "price", "ingest_date": NOW.date(), "quarantined_at": NOW}
        append_batch("silver.quarantine", [row], BatchTag("a-checkpoint", number))
    dataset = open_table("silver.quarantine").to_pyarrow_dataset()
    assert dataset.to_table(filter=pc.field("event_id") == event_id).num_rows == 1
