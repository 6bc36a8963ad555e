"""The published sets through the reader of files: nothing is lost, nothing is made up, the first event reads as it should."""

import json
from collections import Counter
from pathlib import Path

import pytest

from producers.file_events import FileEvents
from producers.source_format import SourceFormat, format_of
from tests.producers.real_sets import ABSENT, DATA, SETS, RealSet, Told

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=ABSENT)
FIRST = {  # format -> the first payloads that the first file tells, as read by eye
    "panelharga_wide": [
        # Maluku Utara stands before Maluku, against the alphabet
        {"market_id": "PROV-82", "commodity": "Bawang_Merah", "price": 41560.0, "event_time": "2022-01-01T00:00:00+09:00"},
        {"market_id": "PROV-81", "commodity": "Bawang_Merah", "price": 36000.0, "event_time": "2022-01-01T00:00:00+09:00"},
    ],
    "bandung_consumer": [
        {
            "market_id": "KOTA-BANDUNG",
            "commodity": "Beras Premium",
            "price": 16000.0,
            "unit": "Rp./Kg",
            "event_time": "2025-09-13T00:00:00+07:00",
        },
    ],
    "room_sensor": [
        {
            "market_id": "LAB-001",
            "device_id": "ROOM-1",
            "temperature_c": 23.7,
            "humidity_pct": 26.272,
            "crowd_count": 1,
            "event_time": "2015-02-02T14:19:00+07:00",
        },
    ],
    "kalimati": [
        {
            "market_id": "KALIMATI",
            "commodity": "Tomato Big(Nepali)",
            "price": 43.33,
            "unit": "KG",
            "currency": "NPR",
            "event_time": "2024-06-12T00:00:00+05:45",
        },
    ],
}


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
def test_the_first_row_reads_as_by_eye(real: RealSet):
    file = reader(real.paths()[0])
    spoken = (row for row in file.rows() if row.payload is not None)
    for row, payload in zip(spoken, FIRST[real.format], strict=False):
        assert row.payload == payload
        assert json.loads(file.event(row).value) == payload
