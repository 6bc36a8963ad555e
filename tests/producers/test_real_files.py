"""The published sets through the reader of files: nothing is lost, nothing is made up, the first event reads as it should."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from producers.file_events import FileEvents
from producers.source_format import SourceFormat, format_of
from tests.producers.real_sets import ABSENT, DATA, SETS, RealSet, Told

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=ABSENT)
FIRST = yaml.safe_load((Path(__file__).parent.parent / "cases" / "real_files.yml").read_text(encoding="utf-8"))


def reader(path: Path) -> FileEvents:
    known = format_of(path)
    assert isinstance(known, SourceFormat), known
    return FileEvents(path, known)


def told(file: FileEvents) -> Told:
    """What the reader tells; every position once."""
    events, silent, positions = Counter[str](), Counter[str](), set()
    for row in file.rows():
        (silent if row.payload is None else events)[row.kind] += 1
        positions.add(row.position)
    assert len(positions) == events.total() + silent.total() == file.count()
    return {kind: (events[kind], silent[kind]) for kind in sorted(events | silent)}


def added(parts: list[Told]) -> Told:
    """Sum over files."""
    kinds = sorted({kind for part in parts for kind in part})
    return {kind: tuple(sum(part.get(kind, (0, 0))[n] for part in parts) for n in (0, 1)) for kind in kinds}  # type: ignore[misc]


@pytest.mark.parametrize("real", SETS, ids=lambda real: real.format)
def test_every_row_of_a_published_set_is_told(real: RealSet):
    files = [reader(path) for path in real.paths()]
    assert {file.format.name for file in files} == {real.format}
    found = [told(file) for file in files]
    assert found == [dict(sorted(real.counted(file.path).items())) for file in files]
    assert added(found) == dict(sorted(real.told.items()))


@pytest.mark.parametrize("real", SETS, ids=lambda real: real.format)
def test_what_a_file_tells_first_reads_as_by_eye(real: RealSet):
    file = reader(real.paths()[0])
    spoken = (row for row in file.rows() if row.payload is not None)
    for row, said in zip(spoken, FIRST[real.format], strict=False):
        assert (row.kind, row.position) == (said["kind"], str(said["position"]))
        assert json.loads(file.event(row).value) == said["payload"]


def test_what_is_not_measured_is_left_out_and_a_dry_day_stays():
    weather = [
        row.payload for row in reader(DATA / "jabar_price_weather_daily/dataset_vegenation.csv").rows() if row.kind == "weather"
    ]
    assert sum("temperature_c" not in day for day in weather) == 33
    assert sum("humidity_pct" not in day for day in weather) == 35
    assert all("rainfall_mm" in day for day in weather)


def test_the_same_headline_bears_the_same_name():
    posts = Counter(row.payload["post_id"] for row in reader(DATA / "cnbci_headlines/dataset.csv").rows())
    assert len(posts) == 9_816  # of 9,819: three came twice on one day
    assert not any("sentimen" in row.payload for row in reader(DATA / "cnbci_headlines/dataset.csv").rows())
