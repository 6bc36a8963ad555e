"""The history of the simulated markets: the same prices on every run, in a format that `replay` reads."""

from datetime import date
from pathlib import Path

from lakehouse.io.source_files.formats import formats
from producers.simulate.history import HEADER, write
from producers.simulate.history import rows as history


def test_day_has_the_same_price_on_every_run():
    earlier = {row[0]: row for row in history(date(2026, 3, 1), days=60)}
    later = {row[0]: row for row in history(date(2026, 3, 20), days=60)}
    both = earlier.keys() & later.keys()
    assert len(both) > 1000 and all(earlier[event_id] == later[event_id] for event_id in both)


def test_history_is_a_file_of_a_known_format(tmp_path: Path):
    written = write(tmp_path / "history.csv", date(2026, 3, 1))
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert len(lines) == written + 1 and written > 60_000
    wanted = formats()["price_long"]
    assert lines[0] == ",".join(HEADER)
    assert set(HEADER) == {*wanted.header, *wanted.optional}
