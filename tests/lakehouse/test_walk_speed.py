"""Processor time of judging a batch, against a fixed loop timed next to it: other load slows both."""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tests.lakehouse.test_sensor_sequences import room_events
from tests.lakehouse.test_series_sequences import real_bars
from tests.support.walks import stream_columns, table, validator

LOOPS = 400_000  # .27 to .33 s of an idle core, where the large call takes 1.1 s: the bound is 1.9 s
SMALL = 200


@pytest.mark.parametrize("kind", ["bar", "sensor"])
def test_large_and_small_calls_take_bounded_time(kind: str):
    """140,000 bars or 20,560 sensor events take about a second of an idle core; 200 of them about 10 ms."""
    rows = table(real_bars() if kind == "bar" else room_events(), stream_columns(kind))
    large = rows.slice(0, rows.num_rows - SMALL)
    small = rows.slice(rows.num_rows - SMALL)
    judge = validator(kind)
    unit = processor_seconds(fixed_loop)
    seconds_large = processor_seconds(lambda: judge_all(judge, large))
    seconds_small = processor_seconds(lambda: judge_all(judge, small))
    unit = (unit + processor_seconds(fixed_loop)) / 2
    print(f"{rows.num_rows} rows: {seconds_large:.3f} s, {SMALL}: {seconds_small:.4f} s, loop: {unit:.3f} s")
    assert seconds_large < 7 * unit
    assert seconds_small < 0.04 * unit


def fixed_loop() -> None:
    """Makes objects as a validator does: so it slows down with it when other processes fill the caches."""
    newest: dict[str, tuple[int, float]] = {}
    kept = []
    for number in range(LOOPS):
        key = f"series-{number % 7}"
        before = newest.get(key, (0, 0.0))
        newest[key] = (number, number * 0.5)
        kept.append((key, before, str(number), number / 3))


def judge_all(judge, rows: pa.Table) -> None:
    passed = np.ones(rows.num_rows, dtype=np.bool_)
    judge.judge(rows, passed, ~passed)


def processor_seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
