"""The history of the sample markets: one price a day whenever it is asked for, in the format of the file door."""

from datetime import date
from pathlib import Path

from producers.sample_history import HEADER, write
from producers.sample_history import rows as history
from producers.source_format import formats


def test_a_day_has_one_price_whenever_it_is_asked_for():
    earlier = {row[0]: row for row in history(date(2026, 3, 1), days=60)}
    later = {row[0]: row for row in history(date(2026, 3, 20), days=60)}
    both = earlier.keys() & later.keys()
    assert len(both) > 1000 and all(earlier[event_id] == later[event_id] for event_id in both)


def test_it_is_a_format_of_the_file_door(tmp_path: Path):
    written = write(tmp_path / "history.csv", date(2026, 3, 1))
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert len(lines) == written + 1 and written > 60_000
    wanted = formats()["price_long"]
    assert lines[0] == ",".join(HEADER)
    assert set(HEADER) == {*wanted.header, *wanted.optional}
