"""Validators take time in proportion to the rows of a call: ratios within one run."""

import time

import numpy as np
import pyarrow as pa
import pytest

from tests.lakehouse.test_sensor_sequences import room_events
from tests.lakehouse.test_series_sequences import real_bars
from tests.support.walks import stream_columns, table, validator

SMALL = 200


@pytest.mark.parametrize("kind", ["bar", "sensor"])
def test_time_of_a_call_grows_no_faster_than_its_rows(kind: str):
    """Ten times the rows take about ten times as long, a quadratic walk would take a hundred times."""
    rows = table(real_bars() if kind == "bar" else room_events(), stream_columns(kind))
    tenth = rows.num_rows // 10
    judge = validator(kind)
    seconds_tenth = processor_seconds(judge, rows.slice(0, tenth))
    seconds_large = processor_seconds(judge, rows.slice(0, rows.num_rows - SMALL))
    seconds_small = processor_seconds(judge, rows.slice(rows.num_rows - SMALL))
    print(f"seconds of {tenth}, {rows.num_rows}, {SMALL} rows:", seconds_tenth, seconds_large, seconds_small)
    assert seconds_large < 40 * seconds_tenth
    assert seconds_small < seconds_large / 4


def processor_seconds(judge, rows: pa.Table) -> float:
    passed = np.ones(rows.num_rows, dtype=np.bool_)
    began = time.process_time()
    judge.judge(rows, passed, ~passed)
    return time.process_time() - began
