"""A damaged index of event ids is noticed at the start and filled again from bronze."""

import random
import shutil
from pathlib import Path

import pytest

from conf.settings import settings
from streaming_jobs.batch.event_index import DUPLICATE, NEW, EventIds, batch_tag, damage
from streaming_jobs.repair.refill_index import drop_damaged_ids
from tests.streaming_jobs.conftest import Stream, price
from tests.streaming_jobs.test_batches import MIXED

IDS = [f"event-{number}" for number in range(2000)]
HASHES = list(range(2000))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index after 5 batches, the last of which was repeated."""
    folder = tmp_path_factory.mktemp("index")
    ids = EventIds(folder)
    for batch in (0, 1, 2, 3, 4, 4):
        part = slice(batch * 400, (batch + 1) * 400)
        assert set(ids.classify("price", IDS[part], HASHES[part], batch_tag("s", batch))) == {NEW}
        ids.commit("s", batch)
    ids.close()
    return folder


def copy_of(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "index") / "data.mdb"


def test_index_that_was_written_is_intact(written: Path, tmp_path: Path):
    assert damage(written) == damage(tmp_path / "none") == ""


@pytest.mark.parametrize("part", [0.001, 0.3, 0.9])
def test_cut_index_is_damaged(written: Path, tmp_path: Path, part: float):
    file = copy_of(written, tmp_path)
    with file.open("r+b") as opened:
        opened.truncate(int(file.stat().st_size * part))
    assert damage(file.parent)


def test_flipped_bit_is_damage_or_does_no_harm(written: Path, tmp_path: Path):
    draw = random.Random(7)
    noticed = 0
    for attempt in range(8):
        file = copy_of(written, tmp_path / str(attempt))
        content = bytearray(file.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(content)
        if damage(file.parent):
            noticed += 1
            continue
        ids = EventIds(file.parent)
        assert ids.last_batch() == ("s", 4)
        assert set(ids.classify("price", IDS, HASHES, batch_tag("s", 5))) == {DUPLICATE}
        ids.close()
    assert noticed


@pytest.mark.parametrize("position", [6, 20], ids=["id", "payload hash"])
def test_flipped_bit_in_an_entry_is_damage(written: Path, tmp_path: Path, position: int):
    file = copy_of(written, tmp_path)
    entry = b"price|event-1999" + HASHES[1999].to_bytes(8, "big")
    changed = bytearray(entry)
    changed[position] ^= 1
    assert entry in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(entry, changed))  # also in pages that are free by now
    assert "not those that were written" in damage(file.parent)


def test_damaged_index_is_deleted_and_filled_from_bronze(stream: Stream, caplog: pytest.LogCaptureFixture):
    stream.send(*MIXED)
    stream.run()
    assert not drop_damaged_ids()
    file = settings().state_dir / "event_ids" / "data.mdb"
    with file.open("r+b") as opened:
        opened.truncate(8192)
    assert drop_damaged_ids() and "signal 7" in caplog.text and "filled from bronze" in caplog.text
    stream.send(price("a"), price("b", 12500), price("b", 13000))
    stream.run()
    assert stream.balance() == {"rows_in": 12, "silver": 3, "quarantine": 5, "duplicates": 4}
    assert not drop_damaged_ids()
