"""gold.quality_hourly: the hour of a batch, and the same sums however batches and rounds alternate."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.io.delta import open_table
from streaming_jobs.gold.contract_sql import sql_job
from tests.support.written_lake import finish, write

START = datetime(2026, 3, 1, 5, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("lake")


def write_counts(
    number: int, minutes: float, evaluated: int, violated: int, stream: str = "s", **more: Any
) -> None:
    """Write the counts of a finished batch, whose last event was received `minutes` after START."""
    row = {
        "kind": "price",
        "source": "api",
        "rule": "price_positive",
        "severity": "error",
        "table": "silver.prices",
        **more,
    }
    end = START + timedelta(minutes=minutes)
    counts = {
        "evaluated": evaluated,
        "violated": violated,
        "window_end": end,
        "stream_id": stream,
        "batch_id": number,
    }
    write("gold.data_quality", [{**row, **counts}])
    finish(START + timedelta(days=1, seconds=number), stream_id=stream, batch_id=number)


def hourly_rows() -> Counter[tuple[datetime, str, str, int, int, int]]:
    rows = open_table("gold.quality_hourly").to_pyarrow_table().to_pylist()
    return Counter(
        (r["hour"], r["source"], r["rule_set"], r["evaluated"], r["violated"], r["batches"]) for r in rows
    )


def test_counts_of_an_hour_add_up():
    write_counts(0, 0, 10, 1)
    write_counts(1, 59.9, 5, 0)
    write_counts(2, 60, 7, 7)
    write_counts(3, 30, 3, 1, source="file")
    sql_job("gold.quality_hourly").refresh()
    hour = timedelta(hours=1)
    first = {
        (START, "api", "x", 15, 1, 2),
        (START, "file", "x", 3, 1, 1),
        (START + hour, "api", "x", 7, 7, 1),
    }
    assert hourly_rows() == Counter(first)
    write_counts(4, 10, 1, 1)  # received an hour before the last, taken up after it
    sql_job("gold.quality_hourly").refresh()
    assert hourly_rows() == Counter(
        {(START, "api", "x", 16, 2, 3), (START, "file", "x", 3, 1, 1), (START + hour, "api", "x", 7, 7, 1)}
    )
    version = open_table("gold.quality_hourly").version()
    sql_job("gold.quality_hourly").refresh()
    assert open_table("gold.quality_hourly").version() == version


def test_zeros_that_share_a_row_are_counted_per_rule():
    write_counts(0, 0, 10, 1)
    zeros = [{"rule": name, "severity": "error"} for name in ("price_positive", "unit_known")]
    write_counts(1, 1, 5, 0, rule=None, severity=None, unviolated=zeros)
    sql_job("gold.quality_hourly").refresh()
    rows = open_table("gold.quality_hourly").to_pyarrow_table().to_pylist()
    assert {(r["rule"], r["evaluated"], r["violated"], r["batches"]) for r in rows} == {
        ("price_positive", 15, 1, 2),
        ("unit_known", 5, 0, 1),
    }


@pytest.mark.parametrize("seed", range(3))
def test_any_rounds_equal_a_recomputation(seed: int):
    rng, sums = random.Random(seed), Counter[tuple[datetime, str, str]]()
    for number in range(30):
        minutes = rng.randint(0, 400)
        source = rng.choice(["api", "file"])
        rules = rng.choice(["r1", "r2"])
        write_counts(number, minutes, number, 1, rng.choice(["s", "t"]), source=source, rule_set=rules)
        sums[START + timedelta(hours=minutes // 60), source, rules] += number
        if rng.random() < 0.3:
            sql_job("gold.quality_hourly").refresh()
    sql_job("gold.quality_hourly").refresh()
    assert {key[:3]: key[3] for key in hourly_rows()} == dict(sums)
