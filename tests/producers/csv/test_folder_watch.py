"""Odd files in the watched folder and a broker that stops: no file blocks another, no row is lost."""

import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from lakehouse.event import DEAD_LETTERS, Event, parse_time
from lakehouse.io.kafka import NotAcknowledged
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import format_of
from lakehouse.io.source_files.source_format import SourceFormat
from producers.csv import folder_watch
from producers.csv.folder_watch import send_file
from producers.csv.landing import Landing
from producers.publish import KafkaSink
from tests.conftest import Broker, headers_of
from tests.producers.csv.test_replay import LONG, watcher
from tests.support.waiting import eventually

ONE_ROW = f"{LONG}\nPASAR-001,garam,1,,,\n".encode()
ODD = {  # file name -> content, folder it is moved to, events; files are sent in this order
    b"a_name\xff.csv": (ONE_ROW, "done", 1),
    b"b_key.csv": (LONG.encode() + b"\nPASAR-001," + b"x" * 3_000_000 + b",1,,,\n", "done", 0),
    b"c_field.csv": (ONE_ROW + b"PASAR-001," + b"x" * 17_000_000 + b",1,,,\n", "refused", 1),
    b"d_quote.csv": (LONG.encode() + b'\nPASAR-001,"garam,1,,,\nPASAR-001,garam,2,,,\n', "done", 1),
    b"e_nul.csv": (LONG.encode() + b"\nPASAR-001,ga\0ram,1,,,\n", "done", 1),
    b"f_cr.csv": (ONE_ROW.replace(b"\n", b"\r"), "done", 1),
    b"g_one_line.csv": (b"x" * 17_000_000, "refused", 0),
    b"h_utf16.csv": (ONE_ROW.decode().encode("utf-16"), "refused", 0),
    b"i_header.csv": (LONG.encode() + b"\n", "done", 0),
    b"j_empty.csv": (b"", "refused", 0),
    b"k" * 240 + b".csv": (ONE_ROW, "done", 1),
    b"l_long" + b"n" * 240 + b".csv": (b"a,b\n", "refused", 0),
    b"z_good.csv": (ONE_ROW, "done", 1),
}


def test_odd_file_does_not_block_the_others(broker: Broker, home: Path):
    since, landing = broker.ends(), home / "landing"
    landing.mkdir()
    for name, (content, _, _) in ODD.items():
        (landing / os.fsdecode(name)).write_bytes(content)
    outside = home / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_bytes(ONE_ROW)
    links = {"dangling.csv": Path("/nowhere"), "file.csv": outside / "secret.csv", "folder": outside}
    for link, target in links.items():
        (landing / link).symlink_to(target)
    with watcher():
        eventually((landing / "done" / "z_good.csv").exists)
    for link in links:
        assert (landing / "refused" / link).is_symlink() and not (landing / link).is_symlink()
        assert "symbolic link" in (landing / "refused" / f"{link}.reason.txt").read_text()
    assert (outside / "secret.csv").read_bytes() == ONE_ROW, (
        "and none of its rows is among those counted below"
    )
    for name, (_, subfolder, _) in ODD.items():
        assert (landing / subfolder / os.fsdecode(name)).exists(), name
    assert "the 1 events before it were sent" in (landing / "refused" / "c_field.csv.reason.txt").read_text()
    wanted = sum(events for _, _, events in ODD.values())
    sources = Counter(
        headers_of(record)["source"].split("#")[0]
        for record in broker.records(since, "lumbung.price", wanted)
    )
    assert sum(sources.values()) == wanted and sources["file:a_name?.csv"] == 1
    (dead,) = broker.records(since, DEAD_LETTERS, 1)
    assert dead.key() == b"file:b_key.csv#1" and headers_of(dead)["reason"] == "payload_size"


def test_file_stays_until_a_stopped_broker_has_acknowledged_every_row(
    broker: Broker, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS", "1")
    since, landing = broker.ends(), home / "landing"
    log = home / "folder_watch.log"
    with log.open("wb") as written, watcher(log=written):
        eventually((landing / "refused").exists)
        with broker.halted():
            (landing / "patient.csv").write_bytes(LONG.encode() + b"\n" + b"PASAR-001,garam,1,,,\n" * 50)
            eventually(lambda: log.read_text().count("the file is sent again") == 2)
            assert (landing / "patient.csv").exists()
        eventually((landing / "done" / "patient.csv").exists)
    assert (
        len({headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 50)}) == 50
    )


class GrowingUnderUs(KafkaSink):
    """A sink that appends a row to the file while it is being sent."""

    path: Path

    def flush(self) -> None:
        super().flush()
        with self.path.open("ab") as out:
            out.write(b"PASAR-001,garam,2,,,\n")


def test_rows_added_while_a_file_is_sent_are_sent_too(broker: Broker, home: Path):
    since, landing = broker.ends(), Landing(home / "landing", 0.0)
    path = home / "landing" / "late.csv"
    path.write_bytes(ONE_ROW)
    sink = GrowingUnderUs()
    sink.path = path
    send_file(path, landing, sink, threading.Event())
    assert path.exists()
    send_file(path, landing, KafkaSink(), threading.Event())
    assert not path.exists()
    records = broker.records(since, "lumbung.price", 3)
    assert len(records) == 3
    assert len({headers_of(record)["event_id"] for record in records}) == 2, "a row that is sent again"


def ids_of(path: Path, content: str) -> list[str]:
    path.write_text(content)
    file_format = format_of(path)
    assert isinstance(file_format, SourceFormat)
    file = FileEvents(path, file_format)
    return [file.event(row).event_id for row in file.rows()]


TIMED = (
    f"{LONG}\nPASAR-001,garam,1,,2024-01-01T08:00:00+07:00,\nPASAR-001,garam,2,,2024-01-02T08:00:00+07:00,\n"
)
UNTIMED = f"{LONG}\nPASAR-001,garam,1,,,\nPASAR-001,garam,1,,,\n"


@pytest.mark.parametrize("content", [TIMED, UNTIMED], ids=["with times", "without times"])
def test_ids_of_rows_stay_when_a_file_grows_or_is_sent_again(tmp_path: Path, content: str):
    path = tmp_path / "prices.csv"
    first = ids_of(path, content)
    assert len(set(first)) == 2, "equal rows of one file are two events"
    assert ids_of(path, content) == first
    grown = ids_of(path, content + "PASAR-001,garam,3,,,\n")
    assert grown[:2] == first and len(set(grown)) == 3
    assert set(ids_of(tmp_path / "other.csv", content)).isdisjoint(first)


def test_other_rows_under_the_same_file_name_have_other_ids(tmp_path: Path):
    path = tmp_path / "prices.csv"
    timed = ids_of(path, TIMED)
    corrected = ids_of(path, TIMED.replace("garam,1,", "garam,9,"))
    assert corrected[0] != timed[0] and corrected[1] == timed[1], "only the corrected row is another event"
    monday = ids_of(path, f"{LONG}\nPASAR-001,garam,1,,,\nPASAR-002,garam,5,,,\n")
    tuesday = ids_of(path, f"{LONG}\nPASAR-001,garam,2,,,\nPASAR-002,garam,5,,,\n")
    assert set(monday).isdisjoint(tuesday), "without a time, the same price on another day is another event"


def test_file_is_complete_once_its_size_has_not_changed_for_the_settling_time(lone_home: Path):
    now = 100.0
    landing = Landing(lone_home / "landing", 3.0, lambda: now)
    path = lone_home / "landing" / "growing.csv"
    for _ in range(3):
        with path.open("ab") as out:
            out.write(ONE_ROW)
        assert landing.complete() == []
        now += 2
        assert landing.complete() == []
    now += 1
    assert landing.complete() == [path]


def test_file_that_is_open_for_writing_is_not_complete(lone_home: Path):
    landing = Landing(lone_home / "landing", 0.0)
    path = lone_home / "landing" / "paused.csv"
    with path.open("ab") as out:
        out.write(ONE_ROW)
        out.flush()
        assert landing.complete() == []
    with path.open("rb"):
        assert landing.complete() == [path], "a reader does not matter"


def test_rows_written_after_the_move_are_sent_under_the_first_ids(
    broker: Broker, home: Path, monkeypatch: pytest.MonkeyPatch
):
    """A writer that cannot be seen, in another container or on a network share, keeps its descriptor."""
    monkeypatch.setattr("producers.csv.landing.open_for_writing", lambda paths: {})
    since, sink = broker.ends(), KafkaSink()
    landing = Landing(home / "landing", 0.0)
    path = home / "landing" / "late.csv"
    with path.open("ab") as out:
        out.write(ONE_ROW)
        out.flush()
        folder_watch.send_complete(landing, sink, threading.Event())
        assert (home / "landing" / "done" / "late.csv").exists() and not path.exists()
        landing.take_back()
        assert not path.exists(), "nothing was written since"
        out.write(b"PASAR-001,garam,2,,,\n")
    landing.take_back()
    assert path.exists() and not (home / "landing" / "done" / "late.csv").exists()
    folder_watch.send_complete(landing, sink, threading.Event())
    records = broker.records(since, "lumbung.price", 3)
    assert len(records) == 3 and len({headers_of(record)["event_id"] for record in records}) == 2


def test_unreadable_file_is_put_off_and_the_next_is_sent(
    broker: Broker, home: Path, monkeypatch: pytest.MonkeyPatch
):
    landing = Landing(home / "landing", 0.0)
    for name in ("a.csv", "b.csv"):
        (home / "landing" / name).write_bytes(ONE_ROW)
    known = folder_watch.format_of

    def withheld(path: Path):
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied")
        return known(path)

    monkeypatch.setattr(folder_watch, "format_of", withheld)
    folder_watch.send_complete(landing, KafkaSink(), threading.Event())
    assert (home / "landing" / "a.csv").exists() and (home / "landing" / "done" / "b.csv").exists()
    assert landing.complete() == []


def test_sink_reports_a_refused_record(broker: Broker, home: Path):
    now = parse_time("2024-01-01T00:00:00Z")
    assert now is not None
    with pytest.raises(NotAcknowledged):
        sink = KafkaSink()
        sink.send(Event("price", "k" * 3_000_000, b"{}", "x", "file:x#1", now))
        sink.flush()
