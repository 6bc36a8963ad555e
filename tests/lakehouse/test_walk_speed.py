"""What judging costs the stream's batch: processor time, because the machine may be shared."""

import time

import numpy as np
import pytest

from tests.lakehouse.test_sensor_sequences import room
from tests.lakehouse.test_series_sequences import real_bars
from tests.lakehouse.walks import stream_columns, table, validator


@pytest.mark.parametrize(("kind", "seconds"), [("bar", 2.0), ("sensor", 2.0)])
def test_a_large_call_and_a_small_one(kind: str, seconds: float):
    """140,000 bars or 20,560 room events about a second; 200 of them about 10 ms."""
    rows = table(real_bars() if kind == "bar" else room(), stream_columns(kind))
    by = validator(kind)
    assert processor_seconds(by, rows.slice(0, rows.num_rows - 200)) < seconds
    assert processor_seconds(by, rows.slice(rows.num_rows - 200)) < 0.02


def processor_seconds(by, rows) -> float:
    yes, no = np.ones(rows.num_rows, dtype=np.bool_), np.zeros(rows.num_rows, dtype=np.bool_)
    began = time.process_time()
    by.judge(rows, yes, no)
    taken = time.process_time() - began
    print(f"{rows.num_rows} rows: {taken:.3f} s")
    return taken
