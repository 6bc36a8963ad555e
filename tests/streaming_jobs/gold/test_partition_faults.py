"""Events in another partition than their series, and ids in several partitions, are reported once."""

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest

from lakehouse.io.delta import open_table
from lakehouse.partitions import partition_for
from streaming_jobs.gold import partition_faults
from streaming_jobs.gold.partition_faults import PartitionFaults
from tests.support.written_lake import NOON, finish, write

pytestmark = pytest.mark.usefixtures("lake")
KEY = "PASAR-001|garam"
OWN = partition_for("price", KEY, 2)
OTHER = 1 - OWN


class Arrivals:
    """Batches of events in bronze; `partition` None: the one of the key."""

    def __init__(self) -> None:
        self.time: datetime = NOON
        self.offset = 0

    def batch(self, *events: dict[str, Any], done: bool = True) -> None:
        self.time += timedelta(minutes=1)
        write("bronze.events", [self._row(event) for event in events])
        if done:
            finish(self.time)

    def _row(self, event: dict[str, Any]) -> dict[str, Any]:
        self.offset += 1
        shared = {"topic": "lumbung.price", "key": KEY, "partition": OWN, "event_id": f"e{self.offset}"}
        times = {"ingested_at": self.time, "received_at": self.time, "ingest_date": self.time.date()}
        return {**shared, **times, "offset": self.offset, "source": "api:u", **event}


def rows() -> dict[tuple[str, str], dict[str, Any]]:
    listed = open_table("gold.partition_faults").to_pyarrow_table().to_pylist()
    return {(row["kind"], row["fault"]): row for row in listed}


def test_series_in_another_partition_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture):
    arrivals = Arrivals()
    job = PartitionFaults()
    arrivals.batch({}, {"key": None, "partition": OTHER}, {"key": "", "partition": OTHER})
    job.refresh()
    assert rows() == {}
    arrivals.batch({"partition": OTHER, "source": "kafka:x"}, {"key": "PASAR-002|Garam", "partition": OTHER})
    first = arrivals.time
    job.refresh()
    arrivals.batch({"partition": OTHER}, {"topic": "older-system", "partition": OTHER})
    job.refresh()
    PartitionFaults().refresh()
    (row,) = rows().values()
    assert row == {
        "kind": "price",
        "fault": "key",
        "events": 3,
        "names": [KEY, "PASAR-002|Garam"],
        "partition": OTHER,
        "other_partition": OWN,
        "first_source": row["first_source"],
        "first_seen_at": first,
        "last_seen_at": arrivals.time,
    }
    assert row["first_source"] in ("kafka:x", "api:u")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and KEY in warnings[0].getMessage()


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_id_counts_once_for_each_further_partition(batches: int):
    """The repetition in its own partition is a duplicate there, and no fault; nor is that of another kind."""
    arrivals = Arrivals()
    same = [
        {"event_id": "same", "key": None, "partition": 0},
        {"event_id": "same", "key": None, "partition": 0},
        {"event_id": "same", "key": None, "partition": 1},
        {"event_id": "same", "key": None, "partition": 1},
        {"event_id": "same", "key": None, "partition": 1, "topic": "lumbung.listing"},
    ]
    for number in range(batches):
        arrivals.batch(*same[number::batches])
        PartitionFaults().refresh()
    (row,) = rows().values()
    assert (row["kind"], row["fault"], row["events"], row["names"]) == ("price", "event_id", 1, ["same"])
    assert {row["partition"], row["other_partition"]} == {0, 1}


def test_unfinished_batch_is_checked_when_it_is_done():
    arrivals = Arrivals()
    arrivals.batch({})
    arrivals.batch({"partition": OTHER}, done=False)
    PartitionFaults().refresh()
    assert rows() == {}
    finish(arrivals.time)
    PartitionFaults().refresh()
    assert len(rows()) == 1


def test_check_waits_after_one_that_took_long(monkeypatch: pytest.MonkeyPatch):
    clock = [0.0]
    landed = partition_faults.faults

    def delayed(news: partition_faults.News) -> list[dict[str, Any]]:
        clock[0] += 2
        return landed(news)

    monkeypatch.setattr(partition_faults, "faults", delayed)
    arrivals = Arrivals()
    job = PartitionFaults(lambda: clock[0])
    arrivals.batch({})
    job.refresh()
    arrivals.batch({"partition": OTHER})
    clock[0] += 90
    job.refresh()
    assert rows() == {}
    clock[0] += 10
    job.refresh()
    assert len(rows()) == 1


def test_fault_after_a_week_without_it_begins_again():
    arrivals = Arrivals()
    arrivals.batch({"partition": OTHER})
    PartitionFaults().refresh()
    arrivals.time += timedelta(days=7)
    arrivals.batch({"partition": OTHER})
    PartitionFaults().refresh()
    (row,) = rows().values()
    assert (row["events"], row["first_seen_at"]) == (1, arrivals.time)
