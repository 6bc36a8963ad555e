"""Verdicts of the index of event ids, its size, and how it is filled from bronze when it is damaged."""

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from rocksdict import Rdict

from conf.settings import settings
from streaming_jobs.batch.event_index import (
    CONFLICT,
    DUPLICATE,
    NEW,
    DamagedIndex,
    EventIds,
    damage,
    rocksdb_options,
)
from streaming_jobs.startup import refill_index
from streaming_jobs.startup.refill_index import drop_damaged_ids
from tests.streaming_jobs.conftest import Stream, price
from tests.streaming_jobs.test_batches import MIXED

IDS = [f"event-{number}" for number in range(2000)]
HASHES = list(range(2000))
AGAIN = (price("a"), price("b", 12500), price("b", 13000))
BALANCE_AGAIN = {"rows_in": 12, "silver": 3, "quarantine": 5, "duplicates": 4}


def verdicts(ids: EventIds, names: Sequence[str], hashes: Sequence[int], kind: str = "price") -> list[int]:
    """Of events of one sender."""
    return list(ids.classify(kind, names, ["DEV-1"] * len(names), hashes).verdicts)


def add(ids: EventIds, batch: int) -> None:
    part = slice(batch * 400, (batch + 1) * 400)
    assert set(verdicts(ids, IDS[part], HASHES[part])) == {NEW}
    ids.commit("s", batch)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index after 5 batches, the last of which was repeated."""
    folder = tmp_path_factory.mktemp("index")
    ids = EventIds(folder)
    for batch in range(5):
        add(ids, batch)
    ids.take_back()
    add(ids, 4)
    ids.close()
    return folder


def copy_of(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "index")


def only(folder: Path, pattern: str) -> Path:
    """The newest file of that name; writers keep none that is older, but for their own log."""
    return sorted(folder.glob(pattern))[-1]


def cut(file: Path, part: float) -> None:
    with file.open("r+b") as opened:
        opened.truncate(int(file.stat().st_size * part))


def flip(file: Path, draw: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)


def test_another_payload_is_a_conflict_once(tmp_path: Path):
    ids = EventIds(tmp_path)
    arrived = ["a", "b", "a", "a", "a", "b"]
    expected = [NEW, NEW, DUPLICATE, CONFLICT, DUPLICATE, DUPLICATE]
    assert verdicts(ids, arrived, [1, 2, 1, -3, -3, 2]) == expected
    ids.commit("s", 0)
    again = verdicts(ids, ["a", "a", "a", "b"], [-3, 4, 1, 1])
    assert again == [DUPLICATE, CONFLICT, DUPLICATE, CONFLICT]
    assert verdicts(ids, ["a"], [9], "sensor") == [NEW]
    ids.close()


@pytest.mark.parametrize("size", [1, 2, 8])
def test_id_that_another_sender_has_is_followed_by_the_own_sender_in_batches_of_any_size(
    tmp_path: Path, size: int
):
    arrived = [
        ("a", "STRANGER", 1, NEW, None),
        ("a", "DEV-1", 2, NEW, "a@DEV-1"),
        ("a", "DEV-1", 2, DUPLICATE, "a@DEV-1"),
        ("a", "DEV-1", 3, CONFLICT, "a@DEV-1"),
        ("a", "STRANGER", 1, DUPLICATE, None),
        ("a", "", 4, NEW, "a@"),
        ("b", "DEV-1", 5, NEW, None),
        ("a", "STRANGER", 6, CONFLICT, None),
    ]
    ids = EventIds(tmp_path)
    for _ in range(2):
        for number, start in enumerate(range(0, len(arrived), size)):
            names, senders, hashes, expected, own = zip(*arrived[start : start + size], strict=True)
            classified = ids.classify("price", names, senders, hashes)
            assert list(classified.verdicts) == list(expected)
            assert classified.other_ids == {row: name for row, name in enumerate(own) if name}
            ids.commit("s", number)
        if size == 8:
            ids.take_back()
        else:
            ids.close()
            shutil.rmtree(tmp_path)
            ids = EventIds(tmp_path)
    ids.close()


def test_own_id_that_a_writer_to_kafka_has_used_is_a_conflict_and_no_duplicate(tmp_path: Path):
    ids = EventIds(tmp_path)
    classified = ids.classify("price", ["a@DEV-1", "a", "a"], ["", "STRANGER", "DEV-1"], [1, 1, 1])
    assert list(classified.verdicts) == [NEW, NEW, CONFLICT]
    ids.close()


def test_batch_that_was_taken_back_gets_the_same_verdicts(tmp_path: Path):
    ids = EventIds(tmp_path)
    verdicts(ids, ["a"], [1])
    ids.commit("s", 0)
    for _ in range(2):
        assert verdicts(ids, ["a", "b", "a"], [1, 2, 3]) == [DUPLICATE, NEW, CONFLICT]
        ids.commit("s", 1)
        ids.take_back()
    assert ids.last_batch() == ("s", 0)
    ids.close()


def test_id_takes_less_than_40_bytes(tmp_path: Path):
    ids = EventIds(tmp_path)
    for batch in range(4):
        numbers = range(batch * 50_000, (batch + 1) * 50_000)
        verdicts(ids, [f"PASAR-001-{number:030d}" for number in numbers], numbers)
        ids.commit("s", batch)
    ids.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 40 * 200_000


def test_index_that_was_written_is_intact(written: Path, tmp_path: Path):
    assert damage(written) == damage(tmp_path) == damage(tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("name", "part"),
    [("*.sst", 0.001), ("*.sst", 0.3), ("*.sst", 0.9), ("MANIFEST-*", 0.001), ("CURRENT", 0.9)],
)
def test_cut_index_is_damaged(written: Path, tmp_path: Path, name: str, part: float):
    folder = copy_of(written, tmp_path)
    cut(only(folder, name), part)
    assert damage(folder)


def test_flipped_bit_is_damage_or_does_no_harm(written: Path, tmp_path: Path):
    draw = random.Random(7)
    noticed = 0
    for attempt in range(24):
        folder = copy_of(written, tmp_path / str(attempt))
        flip(only(folder, ("*.sst", "*.sst", "MANIFEST-*")[attempt % 3]), draw)
        if damage(folder):
            noticed += 1
            continue
        try:
            ids = EventIds(folder)
            assert ids.last_batch() == ("s", 4)
            assert set(verdicts(ids, IDS, HASHES)) == {DUPLICATE}
            ids.close()
        except DamagedIndex:
            noticed += 1
            assert damage(folder), "the next start knows"
    assert noticed


def test_index_whose_newest_batches_are_lost_names_the_batch_before(tmp_path: Path):
    ids = EventIds(tmp_path / "index")
    for batch in range(3):
        add(ids, batch)
    killed = copy_of(tmp_path / "index", tmp_path / "killed")
    ids.close()
    cut(only(killed, "*.log"), 0.9)
    assert damage(killed) == ""
    ids = EventIds(killed)
    assert ids.last_batch() == ("s", 1)
    add(ids, 2)
    ids.close()


def test_index_in_use_is_not_called_damaged(tmp_path: Path):
    ids = EventIds(tmp_path)
    with pytest.raises(Exception, match="LOCK"):
        damage(tmp_path)
    ids.close()


def test_interrupted_refill_bears_no_batch(tmp_path: Path):
    row = {"kind": "price", "event_id": "a", "sender": "DEV-1", "payload_hash": 1}
    rows = pa.RecordBatch.from_pylist([row])

    def interrupted() -> Iterator[pa.RecordBatch]:
        yield rows
        raise OSError("bronze cannot be read")

    ids = EventIds(tmp_path)
    ids.commit("s", 6)
    with pytest.raises(OSError, match="bronze"):
        ids.refill(interrupted(), "s", 7)
    assert ids.last_batch() is None
    assert ids.refill([rows], "s", 7) == 1 and ids.last_batch() == ("s", 7)
    assert verdicts(ids, ["a"], [1]) == [DUPLICATE]
    ids.close()


def test_damaged_index_is_deleted_and_filled_from_bronze(stream: Stream, caplog: pytest.LogCaptureFixture):
    stream.send(*MIXED)
    stream.run()
    assert not drop_damaged_ids()
    cut(only(settings().state_dir / "event_ids", "*.sst"), 0.5)
    assert drop_damaged_ids() and "size mismatch" in caplog.text and "filled from bronze" in caplog.text
    stream.send(*AGAIN)
    stream.run()
    assert stream.balance() == BALANCE_AGAIN
    assert not drop_damaged_ids()


def test_damage_found_by_a_batch_is_mended_by_the_next_start(stream: Stream):
    stream.send(*MIXED)
    stream.run()
    file = only(settings().state_dir / "event_ids", "*.sst")
    content = bytearray(file.read_bytes())
    content[10] ^= 1  # in the first block of entries
    file.write_bytes(content)
    stream.send(*AGAIN)
    with pytest.raises(Exception, match="the event-id index is damaged"):
        stream.run()
    assert drop_damaged_ids()
    stream.run()
    assert stream.balance() == BALANCE_AGAIN


def test_index_of_an_earlier_version_is_filled_from_bronze(
    stream: Stream, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(refill_index, "EVENTS_AT_ONCE", 1)  # a batch at a time
    for part in (MIXED[:4], MIXED[4:]):
        stream.send(*part)
        stream.run()
    folder = settings().state_dir / "event_ids"
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "data.mdb").write_bytes(bytes(8192))
    assert drop_damaged_ids() and "earlier version" in caplog.text
    stream.send(*AGAIN)
    stream.run()
    assert stream.balance() == BALANCE_AGAIN


@pytest.mark.parametrize("batch_key", [b"batch", b"batch 2"])
def test_index_without_senders_is_filled_from_bronze(
    stream: Stream, caplog: pytest.LogCaptureFixture, batch_key: bytes
):
    stream.send(*MIXED)
    stream.run()
    folder = settings().state_dir / "event_ids"
    shutil.rmtree(folder)
    older = Rdict(str(folder), rocksdb_options())
    older[batch_key] = b"stream/0"
    older.close()
    stream.send(*AGAIN)
    stream.run()
    assert stream.balance() == BALANCE_AGAIN and "filling it from bronze" in caplog.text


@pytest.mark.parametrize("times", [1, 2])
def test_event_whose_id_a_stranger_used_first_lands_under_the_sender_s_own_id(stream: Stream, times: int):
    """Also when it repeats itself, through either door of a device, and when the index is filled again."""
    stream.send(price("taken", 11000), source="mqtt:STRANGER")
    stream.run()
    stream.send(*[price("taken")] * times, source="mqtt:DEV-1")
    stream.send(*[price("taken", 11000)] * times, source="api:STRANGER")
    stream.run()
    shutil.rmtree(settings().state_dir / "event_ids")
    stream.send(price("taken"), source="api:DEV-1")
    stream.run()
    landed = {row["event_id"]: (row["source"], row["price_idr"]) for row in stream.rows("silver.prices")}
    assert landed == {"taken": ("mqtt:STRANGER", 11000), "taken@DEV-1": ("mqtt:DEV-1", 11500)}
    assert stream.silver() == {"taken": 1, "taken@DEV-1": 1}
    assert not stream.rows("silver.quarantine")
    assert {row["event_id"] for row in stream.rows("bronze.events")} == {"taken"}, "as it was sent"
    assert stream.balance() == {
        "rows_in": 2 + 2 * times,
        "silver": 2,
        "quarantine": 0,
        "duplicates": 2 * times,
    }


def test_other_payload_of_the_same_sender_stays_a_conflict_whoever_was_first(stream: Stream):
    stream.send(price("taken", 11000), source="mqtt:STRANGER")
    stream.send(price("taken"), price("taken", 12500), source="mqtt:DEV-1")
    stream.run()
    (row,) = stream.rows("silver.quarantine")
    assert (row["event_id"], row["payload"]) == ("taken@DEV-1", price("taken", 12500))
    (error,) = [reason for reason in row["reasons"] if reason["severity"] == "error"]
    assert error["rule"] == "id_conflict" and "'taken@DEV-1' was used before" in error["message"]
