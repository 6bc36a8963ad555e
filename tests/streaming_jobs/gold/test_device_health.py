"""gold.device_health: each event of a device counts once in its hour, whatever the batches and rounds."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.contracts.contract import contracts
from lakehouse.identity.devices import DEVICE_ID
from lakehouse.io.delta import high_water_mark, open_table
from streaming_jobs.gold.contract_sql import sql_job
from tests.support.written_lake import finish, write

START = datetime(2026, 3, 1, 5, tzinfo=UTC)
SOURCES = ("mqtt:DEV-1", "api:DEV-1", "mqtt:DEV-2", "api:operator", "file:a.csv#1", "mqtt:dev 3")


pytestmark = pytest.mark.usefixtures("lake")


def health_rows() -> dict[tuple[str, datetime], tuple[int, int, datetime | None]]:
    rows = open_table("gold.device_health").to_pyarrow_table().to_pylist()
    assert len({(row["device_id"], row["hour"]) for row in rows}) == len(rows)
    return {
        (row["device_id"], row["hour"]): (row["accepted"], row["quarantined"], row["last_event_time"])
        for row in rows
    }


def write_batch(number: int, events: list[dict[str, Any]]) -> None:
    """Write a finished batch; an event with two metrics has two rows in silver.sensors."""
    time = START + timedelta(days=1, seconds=number)
    for table in ("silver.prices", "silver.sensors", "silver.quarantine"):
        rows = [
            {name: value for name, value in event.items() if name != "table"}
            for event in events
            if event["table"] == table
        ]
        if table == "silver.quarantine":
            rows = [
                {name: value for name, value in row.items() if name != "event_time"}
                | {"quarantined_at": time}
                for row in rows
            ]
        else:
            rows = [row | {"ingested_at": time} for row in rows]
        if table == "silver.sensors":
            rows = [row | {"metric": metric} for row in rows for metric in ("humidity_pct", "temperature_c")]
        if rows:
            write(table, rows)
    finish(time)


def expected(events: list[dict[str, Any]]) -> dict[tuple[str, datetime], tuple[int, int, datetime | None]]:
    groups: dict[tuple[str, datetime], list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["source"] in SOURCES[:3]:
            hour = event["received_at"].replace(minute=0, second=0)
            groups[event["source"].partition(":")[2], hour].append(event)
    counted = {}
    for key, group in groups.items():
        accepted = [event for event in group if event["table"] != "silver.quarantine"]
        last = max((event["event_time"] for event in accepted), default=None)
        counted[key] = (len(accepted), len(group) - len(accepted), last)
    return counted


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_of_a_device_counts_once_in_its_hour(seed: int):
    dice = random.Random(seed)
    tables = ("silver.prices", "silver.sensors", "silver.quarantine")
    events = [
        {
            "table": dice.choice(tables),
            "source": dice.choice(SOURCES),
            "event_id": f"e{number}",
            "received_at": START + timedelta(minutes=dice.randrange(400)),
            "event_time": START + timedelta(minutes=dice.randrange(400)),
        }
        for number in range(60)
    ]
    for number in range(6):
        write_batch(number, events[number * 10 : number * 10 + 10])
        if dice.random() < 0.5:
            sql_job("gold.device_health").refresh()
    sql_job("gold.device_health").refresh()
    assert health_rows() == expected(events)
    version = open_table("gold.device_health").version()
    sql_job("gold.device_health").refresh()
    assert open_table("gold.device_health").version() == version, "nothing new, nothing written"


def test_batches_without_devices_only_move_the_mark_and_old_hours_are_dropped():
    event = {"table": "silver.prices", "source": "mqtt:DEV-1", "event_time": START}
    write_batch(0, [event | {"event_id": "old", "received_at": START - timedelta(days=95)}])
    sql_job("gold.device_health").refresh()
    assert len(health_rows()) == 1
    write_batch(1, [event | {"event_id": "file", "source": "file:a.csv#1", "received_at": START}])
    sql_job("gold.device_health").refresh()
    assert high_water_mark("gold.device_health") == START + timedelta(days=1, seconds=1)
    write_batch(2, [event | {"event_id": "new", "received_at": START}])
    sql_job("gold.device_health").refresh()
    assert health_rows() == {("DEV-1", START): (1, 0, START)}


def test_the_sql_knows_a_device_by_the_form_of_its_id():
    assert f"'^(?:mqtt|api):{DEVICE_ID}$'" in (contracts()["gold.device_health"].sql or "")
