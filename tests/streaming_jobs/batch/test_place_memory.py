"""A start with the saved memory of a place gives the verdicts of one that reads bronze and silver."""

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer

from conf.settings import settings
from lakehouse.event import Event
from lakehouse.io.kafka import partition_count, producer_config
from lakehouse.partitions import partition_for
from lakehouse.times import rfc3339
from scripts.commands.reconcile import balance_report
from streaming_jobs.batch import place_memory
from streaming_jobs.batch.judge import Known
from streaming_jobs.batch.place_memory import (
    PlaceMemory,
    forget_saved,
    memory_folder,
    read_memory,
    write_memory,
)
from streaming_jobs.gold.alerts import Alerts
from streaming_jobs.gold.partition_faults import PartitionFaults
from tests.streaming_jobs.conftest import NOW, Stream, price, rebuild_everything
from tests.streaming_jobs.test_batches import MIXED

AGAIN = (price("a"), price("b", 12500), price("b", 13000))
PLACE = ("lumbung.price", 0)
OWNER = {"lake": "l"}
BALANCE_AGAIN = {"rows_in": 12, "silver": 3, "quarantine": 5, "duplicates": 4}
Change = Callable[[Path], None]


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


def newest(pattern: str) -> Path:
    """The largest file of that name, of a place with prices."""
    return max(memory_folder().glob(f"lumbung.price-*/{pattern}"), key=lambda file: file.stat().st_size)


def test_start_reads_the_file_and_of_the_tables_what_came_later(
    embedded: Stream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    embedded.send(temperature(1, 25.0), kind="sensor")
    embedded.run()
    with monkeypatch.context() as patch:
        patch.setattr(PlaceMemory, "catch_up", lambda memory, before: pytest.fail("the tables were read"))
        run_with_jump(embedded, 2)
    saved = memory_folder().rename(tmp_path / "saved")
    run_with_jump(embedded, 3)
    forget_saved()
    saved.rename(memory_folder())
    run_with_jump(embedded, 4)
    forget_saved()
    run_with_jump(embedded, 5)
    assert not caplog.messages or "is of another" not in caplog.text
    monkeypatch.setenv("LUMBUNG_VALIDATION__MAX_AGE_DAYS", "401")
    settings.cache_clear()
    run_with_jump(embedded, 6)
    assert "is of another rules" in caplog.text


@pytest.mark.parametrize("point", ["stream.before_bronze", "stream.after_silver", "stream.after_counts"])
def test_start_after_a_crash_gives_the_same_verdicts(either: Stream, point: str):
    either.send(temperature(1, 25.0), kind="sensor")
    either.run()
    either.send(temperature(2, 40.0), kind="sensor")
    either.crash(point)
    run_with_jump(either, 3)
    assert "temperature_jump" in warnings_of(either, "t-2")


def cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size * 2 // 3)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[random.Random(file.name).randrange(len(content) // 2, len(content))] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("pattern", ["*.memory", "*.npy"])
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_damaged_or_lost_file_is_replaced_by_the_tables(
    embedded: Stream, pattern: str, damage: Change, caplog: pytest.LogCaptureFixture
):
    embedded.send(*MIXED)
    embedded.run()
    damage(newest(pattern))
    embedded.send(*AGAIN)
    embedded.run()
    assert embedded.balance() == BALANCE_AGAIN
    is_named = any(word in caplog.text for word in ("is damaged", "lacks ids", "has damaged ids"))
    assert is_named or (pattern, damage) == ("*.memory", Path.unlink)


def test_file_of_a_batch_that_the_tables_do_not_hold_is_not_used(
    embedded: Stream, caplog: pytest.LogCaptureFixture
):
    embedded.send(*MIXED)
    embedded.run()
    file = newest("*.memory")
    digest, _, content = file.read_bytes().partition(b"\n")
    header, _, streams = content.partition(b"\n")
    noted = orjson.loads(header)
    later = orjson.dumps(noted | {"upto": "2099-01-01T00:00:00+00:00"}) + b"\n" + streams
    file.write_bytes(place_memory.hashlib.sha256(later).hexdigest().encode() + b"\n" + later)
    embedded.send(*AGAIN)
    embedded.run()
    assert embedded.balance() == BALANCE_AGAIN
    assert "is of a batch that the tables do not hold" in caplog.text


def test_memory_without_a_file_is_read_in_parts(embedded: Stream, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(place_memory, "EVENTS_AT_ONCE", 1)  # a batch at a time
    for part in (MIXED[:4], MIXED[4:]):
        embedded.send(*part)
        embedded.run()
    forget_saved()
    embedded.send(*AGAIN)
    embedded.run()
    assert embedded.balance() == BALANCE_AGAIN


def test_memory_is_not_saved_when_the_disk_is_full(
    embedded: Stream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def full(file: Path, content: bytes) -> None:
        raise OSError("no space left on device")

    caplog.set_level(logging.WARNING)
    with monkeypatch.context() as patch:
        patch.setattr(place_memory, "write_bytes", full)
        embedded.send(*MIXED)
        embedded.run()
    assert "was not saved (no space left on device)" in caplog.text
    embedded.send(*AGAIN)
    embedded.run()
    assert embedded.balance() == BALANCE_AGAIN


def test_ids_whose_file_another_process_has_deleted_are_written_again(tmp_path: Path):
    memories = [PlaceMemory(PLACE, Known.nothing("price")) for _ in range(2)]
    for number, memory in enumerate((*memories, memories[0])):
        assert memory.known.ids is not None
        names = [f"{number}-{nth}" for nth in range(100)]
        memory.known.ids.classify("price", names, ["DEV-1"] * 100, list(range(100)))
        memory.upto = NOW + timedelta(seconds=number)
        write_memory(tmp_path, OWNER, memory)
    (file,) = tmp_path.glob("*.memory")
    restored = PlaceMemory(PLACE, Known.nothing("price"))
    assert read_memory(file, OWNER, NOW + timedelta(seconds=9), restored) == ""
    assert restored.known.ids is not None and len(restored.known.ids) == 200


@pytest.mark.parametrize("times", [1, 2])
def test_event_whose_id_a_stranger_used_first_lands_under_the_sender_s_own_id(stream: Stream, times: int):
    """Also when it repeats itself, through either door of a device, and when the ids are read again."""
    stream.send(price("taken", 11000), source="mqtt:STRANGER")
    stream.run()
    stream.send(*[price("taken")] * times, source="mqtt:DEV-1")
    stream.send(*[price("taken", 11000)] * times, source="api:STRANGER")
    stream.run()
    forget_saved()
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


def send_to(stream: Stream, partition: int, *events: Event) -> None:
    """As a program does that chooses partitions by itself."""
    producer = Producer(producer_config())
    for event in events:
        producer.produce(event.topic, event.value, event.key, partition, headers=event.headers)
    assert producer.flush(60) == 0


def test_what_came_in_two_partitions_has_one_alert_and_lands_once_in_a_rebuild(embedded: Stream):
    """The other sender's event stays, under an id of its own."""
    event = Event("price", "PASAR-001|garam", price("twice"), "twice", "mqtt:DEV-1", NOW)
    foreign = replace(event, source="mqtt:STRANGER")
    own = partition_for(event.kind, event.key, partition_count(event.topic))
    send_to(embedded, own, event)
    embedded.run()
    send_to(embedded, 1 - own, event, event, foreign)
    embedded.run()
    assert embedded.silver() == {"twice": 2, "twice@STRANGER": 1}
    jobs = PartitionFaults(), Alerts()
    for _ in range(2):
        for job in jobs:
            job.refresh()
    alerts = {row["rule"]: row for row in embedded.rows("gold.alerts")}
    assert len(embedded.rows("gold.alerts")) == 2
    assert "3 events of kind price came in another partition" in alerts["split_series"]["message"]
    assert "1 ids of kind price came in a second partition" in alerts["repeated_id"]["message"]
    assert all((row["state"], row["source_id"]) == ("active", event.topic) for row in alerts.values())
    rebuild_everything()
    assert embedded.silver() == {"twice": 1, "twice@STRANGER": 1}
    assert balance_report()["balanced"]
    send_to(embedded, 1 - own, event)
    embedded.run()
    assert embedded.silver() == {"twice": 1, "twice@STRANGER": 1}
