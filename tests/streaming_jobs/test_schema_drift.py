"""gold.schema_drift: names and types of unknown fields, counted once, logged once, never a value."""

import json
import logging
import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lakehouse.io.delta import open_table
from streaming_jobs.gold.schema_drift import SchemaDrift, unknown_fields
from tests.support.written_lake import finish, write

FIELDS_PER_KIND = 200
START = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
SILVER = {"price": "silver.prices", "sensor": "silver.sensors"}


pytestmark = pytest.mark.usefixtures("lake")


class Kafka:
    """Batches of events with their positions; accepted events are in silver with their warnings."""

    def __init__(self) -> None:
        self.offset = 0
        self.time = START

    def batch(
        self, *payloads: dict[str, Any] | bytes, kind: str = "price", rows: int = 1, done: bool = True
    ) -> None:
        self.time += timedelta(minutes=1)
        bronze, silver = [], []
        for payload in payloads:
            value = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            place = {"topic": f"lumbung.{kind}", "partition": 0, "offset": self.offset}
            event = {
                **place,
                "event_id": f"e{self.offset}",
                "source": "api:u",
                "ingested_at": self.time,
                "received_at": self.time,
            }
            bronze.append({**event, "kind": kind, "value": value, "ingest_date": self.time.date()})
            known = isinstance(payload, dict) and not unknown_fields(kind, value)
            silver += [
                {**event, "_warnings": [] if known else ["event_time_missing", "field_unknown"]}
            ] * rows
            self.offset += 1
        write("bronze.events", bronze)
        write(SILVER[kind], silver)
        if done:
            finish(self.time)


def drift_rows() -> dict[tuple[str, str], tuple[list[str], int, str]]:
    rows = open_table("gold.schema_drift").to_pyarrow_table().to_pylist()
    return {(r["kind"], r["field"]): (r["json_types"], r["events"], r["first_event_id"]) for r in rows}


def test_fields_are_counted_once_and_logged_once(caplog: pytest.LogCaptureFixture):
    """Batches span midnight, so bronze has two days. Several readings of an event are one event."""
    kafka = Kafka()
    kafka.batch({"price": 1}, {"price": 2, "humour": "cheerful", "mood": {"a": 1}})
    kafka.batch({"price": 3, "humour": None})
    kafka.batch({"crowd_count": 3, "light": 4.5}, kind="sensor", rows=3)
    with caplog.at_level(logging.WARNING):
        SchemaDrift().refresh()
        SchemaDrift().refresh()
    assert drift_rows() == {
        ("price", "humour"): (["null", "string"], 2, "e1"),
        ("price", "mood"): (["object"], 1, "e1"),
        ("sensor", "light"): (["number"], 1, "e3"),
    }
    assert sorted(record.getMessage().split(",")[0] for record in caplog.records) == [
        "price: unknown field 'humour'", "price: unknown field 'mood'", "sensor: unknown field 'light'",
    ]  # fmt: skip
    caplog.clear()
    kafka.batch({"price": 3, "humour": True, "light\n": []})
    SchemaDrift().refresh()
    assert drift_rows()["price", "humour"] == (["boolean", "null", "string"], 3, "e1")
    assert [record.getMessage() for record in caplog.records] == [
        "price: unknown field 'light\\n', first in event e4"
    ]
    whole = open_table("gold.schema_drift").to_pyarrow_table().to_pylist()
    assert "cheerful" not in str(whole)


def test_unfinished_batch_is_not_counted_yet():
    kafka = Kafka()
    kafka.batch({"price": 1, "humour": 1})
    kafka.batch({"price": 1, "humour": 1}, done=False)
    SchemaDrift().refresh()
    assert drift_rows()["price", "humour"][1] == 1
    finish(kafka.time)
    SchemaDrift().refresh()
    assert drift_rows()["price", "humour"][1] == 2


def test_released_event_is_read_from_the_day_of_its_receipt():
    kafka = Kafka()
    kafka.batch({"price": 1})
    value = json.dumps({"price": 2, "humour": "x"}).encode()
    place = {"topic": "lumbung.price", "partition": 0, "offset": 77, "event_id": "late", "source": "api:u"}
    write(
        "bronze.events",
        [{**place, "kind": "price", "value": value, "ingest_date": date(2026, 3, 1), "ingested_at": START}],
    )
    released = START + timedelta(days=9)
    write(
        "silver.prices",
        [{**place, "received_at": START, "ingested_at": released, "_warnings": ["field_unknown"]}],
    )
    finish(released)
    SchemaDrift().refresh()
    assert drift_rows() == {("price", "humour"): (["string"], 1, "late")}


def test_fields_beyond_the_limit_are_counted_together():
    """Names longer than 100 characters are cut."""
    kafka = Kafka()
    kafka.batch(*({"price": 1, f"f{nth}": nth} for nth in range(FIELDS_PER_KIND - 1)))
    kafka.batch({"price": 1, "x" * 5000: 1, "one": 1, "two": 1})
    kafka.batch({"price": 1, "three": "1", "f0": 1})
    SchemaDrift().refresh()
    once = drift_rows()
    assert len(once) == FIELDS_PER_KIND + 1 and once["price", "x" * 100][1] == 1
    assert (
        once["price", "*"] == (["number", "string"], 2, f"e{FIELDS_PER_KIND - 1}")
        and once["price", "f0"][1] == 2
    )
    kafka.batch({"price": 1, "four": 1, "five": 1}, {"price": 1, "f0": 1})
    SchemaDrift().refresh()
    assert drift_rows() == once | {
        ("price", "*"): (["number", "string"], 3, f"e{FIELDS_PER_KIND - 1}"),
        ("price", "f0"): (["number"], 3, "e0"),
    }


@pytest.mark.parametrize("seed", range(3))
def test_any_rounds_equal_a_recomputation(seed: int):
    rng, kafka = random.Random(seed), Kafka()
    events, types = Counter[str](), defaultdict[str, set[str]](set)
    values = {"string": "a", "number": 1.5, "boolean": False, "null": None, "array": [1], "object": {"b": 2}}
    for _ in range(12):
        payloads = []
        for _ in range(rng.randint(1, 6)):
            chosen = {f"f{rng.randint(0, 5)}": rng.choice(list(values)) for _ in range(rng.randint(0, 3))}
            payloads.append({"price": 1} | {name: values[json_type] for name, json_type in chosen.items()})
            events.update(chosen.keys())
            for name, json_type in chosen.items():
                types[name].add(json_type)
        kafka.batch(*payloads)
        if rng.random() < 0.4:
            SchemaDrift().refresh()
    SchemaDrift().refresh()
    assert {name: (names[0], names[1]) for (_, name), names in drift_rows().items()} == {
        name: (sorted(types[name]), events[name]) for name in events
    }


def test_payload_that_is_no_object_has_no_unknown_fields():
    assert (
        unknown_fields("price", b"[1]")
        == {}
        == unknown_fields("price", b"\xff{")
        == unknown_fields("price", b"")
    )
    assert unknown_fields("price", b'{"price": 1, "x": [1], "y": true}') == {"x": "array", "y": "boolean"}
