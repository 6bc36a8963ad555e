"""Tables without a maintenance loop: their writer merges small files, as the knobs say."""

from pathlib import Path

import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_once, open_table

TABLE = "gold.model_accuracy"


def test_table_that_training_writes_is_compacted_beyond_the_knob(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings().lake, "compact_after_commits", 5)
    schema = arrow_schema(contracts()[TABLE])
    row = pa.table([pa.nulls(1, field.type) for field in schema], schema=schema)
    files = []
    for number in range(8):
        append_once(TABLE, row, made_from=str(number))
        files.append(len(open_table(TABLE).file_uris()))
    assert files == [1, 2, 3, 4, 5, 1, 2, 3]
    assert open_table(TABLE).to_pyarrow_table().num_rows == 8
