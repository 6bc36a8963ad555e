"""Validators do work in proportion to the rows of a call: counted in lines of code that run."""

import sys
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.validation.in_order import Remembering
from tests.lakehouse.test_sensor_sequences import room_events
from tests.lakehouse.test_series_sequences import real_bars
from tests.support.walks import stream_columns, table, validator

TENTH = 1000
SMALL = 200


@pytest.mark.parametrize("kind", ["bar", "sensor"])
def test_work_of_a_call_grows_no_faster_than_its_rows(kind: str):
    """Ten times the rows run about ten times the lines, a quadratic walk would run a hundred times."""
    rows = table(real_bars() if kind == "bar" else room_events(), stream_columns(kind))
    judge = validator(kind)
    lines_tenth = lines_run(judge, rows.slice(0, TENTH))
    lines_large = lines_run(judge, rows.slice(TENTH, 10 * TENTH))
    lines_small = lines_run(judge, rows.slice(11 * TENTH, SMALL))
    print(f"lines of {TENTH}, {10 * TENTH}, {SMALL} rows:", lines_tenth, lines_large, lines_small)
    assert lines_large < 15 * lines_tenth
    assert lines_small < lines_large / 4


def lines_run(judge: Remembering, rows: pa.Table) -> int:
    passed = np.ones(rows.num_rows, dtype=np.bool_)
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return note

    traced = sys.gettrace()
    sys.settrace(note)
    try:
        judge.judge(rows, passed, ~passed)
    finally:
        sys.settrace(traced)
    return count
