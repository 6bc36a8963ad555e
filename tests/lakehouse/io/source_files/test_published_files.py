"""Published data sets: no row is lost, none is invented, and the first events are right."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import format_of
from lakehouse.io.source_files.source_format import SourceFormat
from tests.support.real_sets import ABSENT, DATA, SETS, RealSet, Summary

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=ABSENT)
FIRST = yaml.safe_load((Path(__file__).parents[3] / "cases" / "real_files.yml").read_text(encoding="utf-8"))


def reader(path: Path) -> FileEvents:
    known = format_of(path)
    assert isinstance(known, SourceFormat), known
    return FileEvents(path, known)


def summary_of(file: FileEvents) -> Summary:
    """Events and rows without one per kind; every position occurs once."""
    events: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    positions: set[str] = set()
    for row in file.rows():
        (silent if row.payload is None else events)[row.kind] += 1
        positions.add(row.position)
    assert len(positions) == events.total() + silent.total() == file.count()
    return {kind: (events[kind], silent[kind]) for kind in sorted(events | silent)}


def sum_of(parts: list[Summary]) -> Summary:
    """The sum over files."""
    kinds = sorted({kind for part in parts for kind in part})
    return {kind: tuple(sum(part.get(kind, (0, 0))[n] for part in parts) for n in (0, 1)) for kind in kinds}  # type: ignore[misc]


@pytest.mark.parametrize("real", SETS, ids=lambda real: real.format)
def test_every_row_of_a_published_set_is_read(real: RealSet):
    files = [reader(path) for path in real.paths()]
    assert {file.format.name for file in files} == {real.format}
    summaries = [summary_of(file) for file in files]
    assert summaries == [dict(sorted(real.count_file(file.path).items())) for file in files]
    assert sum_of(summaries) == dict(sorted(real.summary.items()))


@pytest.mark.parametrize("real", SETS, ids=lambda real: real.format)
def test_first_rows_are_as_read_by_eye(real: RealSet):
    file = reader(real.paths()[0])
    events_of_file = (row for row in file.rows() if row.payload is not None)
    for row, expected in zip(events_of_file, FIRST[real.format], strict=False):
        assert (row.kind, row.position) == (expected["kind"], str(expected["position"]))
        assert json.loads(file.event(row).value) == expected["payload"]


def test_field_that_was_not_measured_is_left_out_and_zero_rain_is_kept():
    weather = [
        row.payload
        for row in reader(DATA / "jabar_price_weather_daily/dataset_vegenation.csv").rows()
        if row.kind == "weather"
    ]
    assert sum("temperature_c" not in day for day in weather) == 33
    assert sum("humidity_pct" not in day for day in weather) == 35
    assert all("rainfall_mm" in day for day in weather)


def test_same_headline_has_the_same_id():
    posts = Counter(row.payload["post_id"] for row in reader(DATA / "cnbci_headlines/dataset.csv").rows())
    assert len(posts) == 9_816  # of 9,819: three occur twice on one day
    assert not any("sentimen" in row.payload for row in reader(DATA / "cnbci_headlines/dataset.csv").rows())
