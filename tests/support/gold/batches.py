"""Writes batches of any rows, and runs the jobs of a subject over them."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from importlib import import_module

import pyarrow as pa

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_rows, open_table
from streaming_jobs.gold.runner import make_job
from tests.support.gold.rows import differences, rows_of
from tests.support.gold.subject import BEGAN, Refreshing, Row, Subject


class Batches:
    """Writes finished batches as the stream does, with rows of any tables."""

    def __init__(self) -> None:
        self.number = 0

    @property
    def newest(self) -> datetime:
        return BEGAN + timedelta(seconds=self.number)

    def write(self, rows: dict[str, list[Row]]) -> None:
        self.number += 1
        batch = {"stream_id": "law", "batch_id": self.number, "ingested_at": self.newest}
        batch |= {"quarantined_at": self.newest, "ingest_date": self.newest.date()}
        for table, of in rows.items():
            append(table, [row | batch for row in of])
        counts = Counter[str]()
        for table, of in rows.items():
            counts[contracts()[table].kind or "price"] += len(of)
        append("gold.balance", [batch | {"kind": kind, "rows_in": count} for kind, count in counts.items()])


def append(table: str, rows: Sequence[Row]) -> None:
    """Append rows; a month follows from its day, other columns not given are null."""
    contract = contracts()[table]
    months = {"market_month": "market_date", "event_month": "event_time"}
    filled = [
        {month: f"{row[day]:%Y-%m}" for month, day in months.items() if row.get(day)} | row for row in rows
    ]
    append_rows(table, pa.Table.from_pylist(filled, schema=arrow_schema(contract)))


Event = list[tuple[str, Row]]  # its rows, each with its table


def events_of(rows: dict[str, list[Row]]) -> list[Event]:
    """A row without event_id is an event of its own."""
    events: dict[object, Event] = {}
    for table, of in rows.items():
        for row in of:
            events.setdefault(row.get("event_id", id(row)), []).append((table, row))
    return list(events.values())


def by_table(events: Iterable[Event]) -> dict[str, list[Row]]:
    """The rows of the events."""
    rows: dict[str, list[Row]] = {}
    for table, row in (entry for event in events for entry in event):
        rows.setdefault(table, []).append(row)
    return rows


def cut(rows: dict[str, list[Row]], count: int, rng: random.Random, subject: Subject) -> list[dict]:
    """The rows of all tables in `count` batches, cut at random places; an event lies in one batch."""
    every = events_of(rows)
    if subject.in_order:
        every.sort(key=lambda event: (event[0][1]["event_time"], event[0][0]))
    else:
        rng.shuffle(every)
    places = [0, *sorted(rng.sample(range(1, len(every)), count - 1)), len(every)]
    return [by_table(every[start:end]) for start, end in zip(places, places[1:], strict=False)]


class TrainersJob:
    """A module of ml whose table follows from others alone."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refresh(self) -> None:
        import_module(self.name).refresh(settings().lake_root)


def job_of(job: str | Callable[[], Refreshing]) -> Refreshing:
    if not isinstance(job, str):
        return job()
    return TrainersJob(job) if job.startswith("ml.") else make_job(job)


def jobs_of(subject: Subject) -> list[Refreshing]:
    return [job_of(job) for job in subject.jobs]


def assert_equals_recomputation(subject: Subject, tables: Sequence[str], newest: datetime) -> None:
    silver = {table: open_table(table).to_pyarrow_table() for table in tables}
    for table, recompute in subject.recomputed.items():
        contract = contracts()[table]
        compared = [name for name in contract.column_names if name not in subject.not_compared]
        wanted = [{name: row.get(name) for name in compared} for row in recompute(silver, newest)]
        written = [{name: row[name] for name in compared} for row in rows_of(table)]
        assert wanted, f"{table}: nothing is compared"
        wrong = differences(contract, written, wanted, compared)
        assert not wrong, f"{table}: {len(wrong)} differences, such as {wrong[:3]}"
