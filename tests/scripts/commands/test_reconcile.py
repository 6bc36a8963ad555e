"""`reconcile` counts in the tables: in = silver + quarantine + duplicates, per kind."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

from lakehouse.paths import table_path
from tests.conftest import Broker
from tests.support.query_lake import Lake

NOBODY = {"reasons": []}


def balanced(home: Path) -> Lake:
    """4 prices in: 2 to silver, 1 to quarantine, 1 duplicate; 1 sensor event with two readings."""
    lake = Lake(home)
    events = [("price", "a"), ("price", "b"), ("price", "a"), ("price", "bad"), ("sensor", "s")]
    lake.write(
        "bronze.events",
        [{"kind": kind, "event_id": name, "offset": n} for n, (kind, name) in enumerate(events)],
    )
    lake.write("silver.prices", [{"event_id": "a"}, {"event_id": "b"}])
    lake.write(
        "silver.sensors",
        [{"event_id": "s", "metric": "temperature_c"}, {"event_id": "s", "metric": "humidity_pct"}],
    )
    lake.write("silver.quarantine", [{"kind": "price", "event_id": "bad", **NOBODY}])
    lake.write("gold.balance", [{"kind": "price", "duplicates": 1}, {"kind": "sensor", "duplicates": 0}])
    return lake


def verdict(lake: Lake) -> tuple[int, dict[str, Any]]:
    done = lake.run("reconcile", "--json")
    return done.returncode, json.loads(done.stdout)


def test_complete_balance(tmp_path: Path):
    done = balanced(tmp_path).start("reconcile", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["line"]) == (0, "IN=5 SILVER=3 QUARANTINE=1 DUP=1 LOST=0")
    assert report["lag_events"] is None  # no broker runs, which is not reported as zero


def test_events_that_wait_in_kafka_are_not_balanced(tmp_path: Path, broker: Broker):
    lake = balanced(tmp_path)
    lake.env |= broker.knobs
    _, before = verdict(lake)
    producer = Producer({"bootstrap.servers": broker.stack.bootstrap})
    producer.produce("lumbung.price", b"{}")
    producer.flush()
    code, report = verdict(lake)
    assert (code, report["balanced"]) == (1, False)
    assert report["lag_events"] == before["lag_events"] + 1
    assert report["total"]["lost"] == 0
    shown = lake.run("reconcile")
    assert "not balanced before the stream has processed them" in shown.stderr


def test_empty_lake_is_balanced(tmp_path: Path):
    code, report = verdict(Lake(tmp_path))
    assert (code, report["line"]) == (0, "IN=0 SILVER=0 QUARANTINE=0 DUP=0 LOST=0")


def test_tables_that_are_gone_are_no_balance(tmp_path: Path):
    lake = Lake(tmp_path)
    noted = tmp_path / "state" / "kafka_ids.json"
    noted.parent.mkdir(parents=True)
    noted.write_text('{"stream": "a", "ids": {}}')
    done = lake.run("reconcile")
    assert done.returncode == 5 and done.stdout == ""
    message = " ".join(done.stderr.split())
    assert "all tables are gone" in message and "remedy: restore the lake" in message


def test_home_is_named(tmp_path: Path):
    lake = balanced(tmp_path)
    assert str(tmp_path) in "".join(lake.run("reconcile").stderr.split())
    assert verdict(lake)[1]["home"] == str(tmp_path)


@pytest.mark.parametrize(
    ("table", "predicate", "kind", "lost"),
    [
        ("silver.prices", "event_id = 'b'", "price", 1),
        ("silver.sensors", "event_id = 's'", "sensor", 1),
        ("bronze.events", "kind = 'sensor'", "sensor", -1),
    ],
)
def test_missing_row_is_counted_for_its_kind(
    tmp_path: Path, table: str, predicate: str, kind: str, lost: int
):
    lake = balanced(tmp_path)
    DeltaTable(table_path(str(tmp_path / "lake"), table)).delete(predicate)
    code, report = verdict(lake)
    assert code == 1
    assert {row["kind"]: row["lost"] for row in report["kinds"] if row["lost"]} == {kind: lost}


def test_record_that_the_stream_skipped_is_lost(tmp_path: Path):
    """An acknowledged record that no table holds: the offsets of its partition have a gap."""
    lake = balanced(tmp_path)
    stored = {"topic": "lumbung.post", "kind": "post", "event_id": "p"}
    for partition, offset in ((0, 7), (0, 8), (0, 10), (1, 0)):
        lake.write("bronze.events", [stored | {"partition": partition, "offset": offset}])
    lake.write("gold.balance", [{"kind": "post", "duplicates": 4}])
    code, report = verdict(lake)
    assert (code, report["line"]) == (1, "IN=10 SILVER=3 QUARANTINE=1 DUP=5 LOST=1")
    assert {row["kind"]: row["lost"] for row in report["kinds"] if row["lost"]} == {"post": 1}


def test_losses_of_two_kinds_do_not_cancel_out(tmp_path: Path):
    lake = balanced(tmp_path)
    lake.write("bronze.events", [{"kind": "price", "event_id": "lost", "offset": 9}])
    lake.write("silver.sensors", [{"event_id": "from nowhere", "metric": "temperature_c"}])
    code, report = verdict(lake)
    assert (code, report["total"]["lost"]) == (1, 0)
