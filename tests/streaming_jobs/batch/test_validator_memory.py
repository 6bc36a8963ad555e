"""A start with the saved memory of the validators gives the verdicts of one that reads silver."""

import logging
from datetime import timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.times import rfc3339
from streaming_jobs.batch import validator_memory
from streaming_jobs.batch.judge import Judge
from streaming_jobs.batch.validator_memory import memory_file, read_memory, write_memory
from tests.streaming_jobs.conftest import NOW, Stream

OWNER = {"lake": "l", "batch": "b", "rules": "r", "code": "c"}
STATES = {"bar": {"newest": pa.table({"symbol": ["BTC", None], "close": [1.5, 2.5]})}, "post": {}}


def temperature(nth: int, celsius: float) -> bytes:
    """The `nth` reading of a device, a minute after the one before."""
    time = rfc3339(NOW - timedelta(minutes=30 - nth))
    event = {"event_id": f"t-{nth}", "market_id": "PASAR-001", "event_time": time, "temperature_c": celsius}
    return orjson.dumps(event)


def warnings_of(stream: Stream, event_id: str) -> list[str]:
    (row,) = [row for row in stream.rows("silver.sensors") if row["event_id"] == event_id]
    return row["_warnings"]


def run_with_jump(stream: Stream, nth: int) -> None:
    """One batch whose reading is 15 degrees from the one of the run before."""
    stream.send(temperature(nth, 25.0 if nth % 2 else 40.0), kind="sensor")
    stream.run()
    assert "temperature_jump" in warnings_of(stream, f"t-{nth}")


def test_start_reads_the_file_of_the_newest_batch_and_silver_without_one(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "lumbung.validators")
    stream.send(temperature(1, 25.0), kind="sensor")
    stream.run()
    with monkeypatch.context() as patch:
        patch.setattr(Judge, "load", lambda judge, before: pytest.fail("silver was read"))
        run_with_jump(stream, 2)
    of_batch_2 = memory_file().read_bytes()
    run_with_jump(stream, 3)
    memory_file().write_bytes(of_batch_2)
    run_with_jump(stream, 4)
    assert "is of another batch" in caplog.messages[-1]
    monkeypatch.setenv("LUMBUNG_VALIDATION__MAX_AGE_DAYS", "401")
    settings.cache_clear()
    run_with_jump(stream, 5)
    assert "is of another rules" in caplog.messages[-1]
    content = bytearray(memory_file().read_bytes())
    content[-9] ^= 1
    memory_file().write_bytes(content)
    run_with_jump(stream, 6)
    assert "is damaged" in caplog.messages[-1]


@pytest.mark.parametrize(
    "point", ["stream.before_validators", "stream.after_validators", "stream.after_silver"]
)
def test_start_after_a_crash_gives_the_same_verdicts(either: Stream, point: str):
    either.send(temperature(1, 25.0), kind="sensor")
    either.run()
    either.send(temperature(2, 40.0), kind="sensor")
    either.crash(point)
    run_with_jump(either, 3)
    assert "temperature_jump" in warnings_of(either, "t-2")


def test_file_returns_what_was_written_for_its_owner_only(lone_home: Path):
    assert read_memory(memory_file(), OWNER) is None
    write_memory(memory_file(), OWNER, STATES)
    states = read_memory(memory_file(), OWNER)
    assert states is not None and states["bar"]["newest"].equals(STATES["bar"]["newest"])
    for name in OWNER:
        assert read_memory(memory_file(), OWNER | {name: "x"}) is None
    whole = memory_file().read_bytes()
    for size in (0, 1, 64, 65, 100, len(whole) - 1):
        memory_file().write_bytes(whole[:size])
        assert read_memory(memory_file(), OWNER) is None
    memory_file().write_bytes(whole)
    assert read_memory(memory_file(), OWNER) is not None


def test_file_is_not_replaced_when_the_disk_is_full(lone_home: Path, monkeypatch: pytest.MonkeyPatch):
    write_memory(memory_file(), OWNER, STATES)

    def full(file: Path, content: bytes) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(validator_memory, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        write_memory(memory_file(), OWNER | {"batch": "c"}, STATES)
    assert read_memory(memory_file(), OWNER) is not None
