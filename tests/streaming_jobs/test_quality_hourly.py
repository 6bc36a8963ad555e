"""gold.quality_hourly: the hour of a batch, and the same sums however batches and rounds alternate."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conf.settings import settings
from streaming_jobs.delta_sink import create_tables, open_table
from streaming_jobs.quality_hourly_job import QualityHourly
from tests.streaming_jobs.written_lake import finish, write

START = datetime(2026, 3, 1, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    create_tables()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def counted(number: int, minutes: float, evaluated: int, violated: int, stream: str = "s", **more: str) -> None:
    """A batch, and that it is done; its last event was received so many minutes after START."""
    row = {"kind": "price", "source": "api", "rule": "price_positive", "severity": "error", "table": "silver.prices", **more}
    end = START + timedelta(minutes=minutes)
    counts = {"evaluated": evaluated, "violated": violated, "window_end": end, "stream_id": stream, "batch_id": number}
    write("gold.data_quality", [{**row, **counts}])
    finish(START + timedelta(days=1, seconds=number), stream_id=stream, batch_id=number)


def told() -> Counter[tuple[datetime, str, str, int, int, int]]:
    rows = open_table("gold.quality_hourly").to_pyarrow_table().to_pylist()
    return Counter((r["hour"], r["source"], r["rule_set"], r["evaluated"], r["violated"], r["batches"]) for r in rows)


def test_counts_of_an_hour_add_up():
    counted(0, 0, 10, 1)
    counted(1, 59.9, 5, 0)
    counted(2, 60, 7, 7)
    counted(3, 30, 3, 1, source="file")
    QualityHourly().refresh()
    hour = timedelta(hours=1)
    first = {(START, "api", "x", 15, 1, 2), (START, "file", "x", 3, 1, 1), (START + hour, "api", "x", 7, 7, 1)}
    assert told() == Counter(first)
    counted(4, 10, 1, 1)  # received an hour before the last, taken up after it
    QualityHourly().refresh()
    assert told() == Counter({(START, "api", "x", 16, 2, 3), (START, "file", "x", 3, 1, 1), (START + hour, "api", "x", 7, 7, 1)})
    version = open_table("gold.quality_hourly").version()
    QualityHourly().refresh()
    assert open_table("gold.quality_hourly").version() == version


@pytest.mark.parametrize("seed", range(3))
def test_any_rounds_equal_a_recomputation(seed: int):
    dice, sums = random.Random(seed), Counter[tuple[datetime, str, str]]()
    for number in range(30):
        minutes, source, rules = dice.randint(0, 400), dice.choice(["api", "file"]), dice.choice(["r1", "r2"])
        counted(number, minutes, number, 1, dice.choice(["s", "t"]), source=source, rule_set=rules)
        sums[START + timedelta(hours=minutes // 60), source, rules] += number
        if dice.random() < 0.3:
            QualityHourly().refresh()
    QualityHourly().refresh()
    assert {key[:3]: key[3] for key in told()} == dict(sums)
