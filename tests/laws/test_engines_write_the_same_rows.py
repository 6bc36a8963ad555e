"""The same topics give the same rows through every engine, also when executors die and drivers are halted."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from confluent_kafka import Message, Producer

from conf.settings import REPO, settings
from lakehouse.event import Event, series_key
from lakehouse.gold.data_quality import counts_by_rule
from lakehouse.io.delta import open_table
from lakehouse.io.kafka import partition_of, producer_config
from lakehouse.io.process_status import stream_status
from lakehouse.io.signing_keys import signing_keys
from lakehouse.times import rfc3339
from scripts.stack.patience import executor_in
from scripts.stack.spark_cluster import cluster
from streaming_jobs.flows import appended, folded
from tests.conftest import Broker
from tests.streaming_jobs.conftest import NOW, Stream
from tests.streaming_jobs.test_reviews import decide
from tests.support.waiting import eventually

# What a run alone decides.
OF_THE_RUN = {"ingested_at", "ingest_date", "quarantined_at", "judged_at", "stream_id", "batch_id"}
BATCH_EVENTS = 400
# The driver counts an executor as lost after ten heartbeats that it did not get.
HEARTBEATS = {
    "spark.executor.heartbeatInterval": "1s",
    "spark.network.timeout": "10s",
    "spark.network.timeoutInterval": "1s",
}
UNANSWERED = "Issue communicating with driver in heartbeater"
ELSEWHERE = ("garam", "telur-ayam-ras")  # by partition, a commodity of the other one
COMMODITIES = ("garam", "Cabe Rawit", "cabai-rawit-merah", "beras-medium", "bawang-merah", "unobtainium")
Row = tuple[tuple[str, str], ...]


def prices(draw: random.Random, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Some with jumps, some repeated, some with an id that was used before."""
    sent: list[dict[str, Any]] = []
    for number in range(count):
        day = NOW - timedelta(days=60 * (count - number) / count)
        value = 12_000 * draw.uniform(0.97, 1.03) * (draw.choice((10, 0.1)) if draw.random() < 0.02 else 1)
        fields = {
            "event_id": f"p{number}",
            "market_id": f"PASAR-{draw.randint(1, 9):03}",
            "commodity": draw.choice(COMMODITIES),
            "price": -1 if draw.random() < 0.01 else round(value),
            "event_time": rfc3339(day),
        }
        if sent and draw.random() < 0.1:
            fields = draw.choice(sent) | ({} if draw.random() < 0.7 else {"price": 9999})
        sent.append(fields)
        yield "price", fields


def others(draw: random.Random, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Readings of three devices a market, stocks, bars, listings and posts."""
    for number in range(count):
        time = rfc3339(NOW - timedelta(minutes=2 * (count - number)))
        device = draw.randint(1, 3)
        yield (
            "sensor",
            {
                "event_id": f"s{number}",
                "market_id": f"PASAR-{draw.randint(1, 3):03}",
                "device_id": f"DEV-{device}",
                "event_time": time,
                "temperature_c": round(27 + draw.random() + 14 * (draw.random() < 0.03), 2),
            },
        )
        yield (
            "stock",
            {
                "event_id": f"k{number}",
                "entity_id": f"GUDANG-{draw.randint(1, 3)}",
                "entity_type": "warehouse",
                "commodity": draw.choice(COMMODITIES[:3]),
                "quantity_kg": draw.randint(100, 5000),
                "event_time": time,
            },
        )
        yield (
            "listing",
            {
                "event_id": f"l{number}",
                "ProductID": draw.randint(1, 5),
                "ProductName": "Cabai",
                "Category": "Food",
                "Price": 10,
                "Rating": draw.choice((2, 4)),
                "NumReviews": draw.randint(1, 100),
                "StockQuantity": 1,
                "Discount": 0.1,
                "Sales": 1,
                "DateAdded": "2026-01-01",
                "event_time": time,
            },
        )


class Topics:
    """Events that every home reads from the same place on."""

    def __init__(self) -> None:
        self._producer = Producer(producer_config())
        self.sent = 0
        self.places: dict[str, tuple[str, int, int]] = {}  # event id -> topic, partition, offset

    def send(self, events: list[tuple[str, dict[str, Any]]]) -> None:
        for kind, fields in events:
            value = orjson.dumps(fields)
            key = series_key(kind, fields, "none")
            event = Event(kind, key, value, fields["event_id"], "mqtt:DEV-1", datetime.now(UTC))
            event = signing_keys().sign(event) if kind == "decision" else event
            self._producer.produce(
                event.topic,
                event.value,
                event.key,
                partition_of(event.topic, event.together),
                self._delivered(event.event_id),
                headers=event.headers,
            )
        for number in range(40):  # as an older system sends them: without headers, to any partition
            fields = {
                "event_id": f"older-{number % 30}",
                "ProductID": 7,
                "Rating": number % 5,
                "NumReviews": number,
            }
            self._producer.produce("kafka-server", orjson.dumps(fields), partition=number % 2)
        assert self._producer.flush(60) == 0
        self.sent += len(events) + 40

    def _delivered(self, event_id: str) -> Callable[[object, Message], None]:
        def note(error: object, message: Message) -> None:
            assert error is None
            self.places.setdefault(event_id, (message.topic(), message.partition(), message.offset()))

        return note


class Home:
    """A lake of its own, written by one engine."""

    def __init__(self, folder: Path, broker: Broker, **knobs: str) -> None:
        self._knobs = {"LUMBUNG_HOME": str(folder), "LUMBUNG_STREAM__MAX_EVENTS_PER_BATCH": str(BATCH_EVENTS)}
        self._knobs |= knobs
        self._broker = broker
        with self.settings():
            Stream(None, broker)

    def settings(self) -> "HomeSettings":
        return HomeSettings(self._knobs)

    def start(self, **more: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "streaming_jobs.run", "--once"]
        return subprocess.Popen(command, cwd=REPO, env=os.environ | self._knobs | more)

    def run(self) -> None:
        assert self.start().wait(300) == 0

    def batch(self) -> int:
        """Number of the newest batch that is done; -1 before the first."""
        with self.settings():
            status = stream_status()
        return -1 if status is None or status["batch_id"] is None else status["batch_id"]

    def rows(self) -> dict[str, Counter[Row]]:
        """Rows of each table without what the run alone decides."""
        with self.settings():
            tables = {table: open_table(table).to_pyarrow_table() for table in (*appended(), "gold.reviews")}
            tables |= {contract.table: open_table(contract.table).to_pyarrow_table() for contract in folded()}
            quality = counts_by_rule(open_table("gold.data_quality").to_pyarrow_table()).to_pylist()
            balance = open_table("gold.balance").to_pyarrow_table().to_pylist()
        counted = {name: Counter(map(without_run, table.to_pylist())) for name, table in tables.items()}
        rules: Counter[Row] = Counter()
        for row in quality:
            rules[("kind", row["kind"]), ("source", row["source"]), ("rule", row["rule"])] += row["violated"]
        landed: Counter[Row] = Counter()
        for row in balance:
            for name in ("rows_in", "silver", "quarantine", "duplicates"):
                landed[("kind", row["kind"]), ("count", name)] += row[name]
        return {**counted, "gold.data_quality": rules, "gold.balance": landed}


class HomeSettings:
    """The settings of a home, within a `with`."""

    def __init__(self, knobs: dict[str, str]) -> None:
        self._knobs = knobs
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> None:
        for name, value in self._knobs.items():
            self._patch.setenv(name, value)
        settings.cache_clear()

    def __exit__(self, *error: object) -> None:
        self._patch.undo()
        settings.cache_clear()


def without_run(row: dict[str, Any]) -> Row:
    return tuple((name, repr(row[name])) for name in sorted(row) if name not in OF_THE_RUN)


def run_under_faults(home: Home, folder: Path) -> None:
    """Kill an executor of the cluster in that folder once a batch is done.

    Python workers kill themselves after they have written the files of their eighth kind.
    """
    process = home.start(LUMBUNG_FAILPOINT="task.after_write:8")
    eventually(lambda: home.batch() >= 0, seconds=120)
    os.kill(eventually(lambda: executor_in(folder)), signal.SIGKILL)
    assert process.wait(300) == 0
    assert home.batch() >= 2


def run_with_halted_drivers(homes: Collection[Home], folder: Path) -> None:
    """Each stream stands still within its first batch for longer than executors of the cluster wait."""
    started = [home.start(LUMBUNG_FAILPOINT="stream.after_silver:1:stop") for home in homes]
    streams = [psutil.Process(stream.pid) for stream in started]
    eventually(lambda: all(stream.status() == psutil.STATUS_STOPPED for stream in streams), seconds=180)
    halted = [process for stream in streams for process in (stream, *stream.children(recursive=True))]
    try:
        for process in halted:
            process.suspend()
        logs = list(folder.rglob("stderr"))
        before = sum(log.read_text().count(UNANSWERED) for log in logs)
        eventually(lambda: sum(log.read_text().count(UNANSWERED) for log in logs) > before + 24, seconds=180)
    finally:
        for process in halted:
            process.resume()
    assert [stream.wait(300) for stream in started] == [0] * len(started)


def test_engines_write_the_same_rows(real_broker: Broker, home: Path, request: pytest.FixtureRequest):
    draw = random.Random(1)
    topics = Topics()
    on_spark = {"LUMBUNG_STREAM__ENGINE": "spark"}
    shared = on_spark | {
        "LUMBUNG_LAKE__SHARED_PATH": "true",
        "LUMBUNG_STREAM__SPARK": json.dumps(HEARTBEATS),
    }
    with cluster(home / "cluster", workers=2) as spark:
        homes = {
            "embedded": Home(home / "embedded", real_broker, LUMBUNG_STREAM__ENGINE="embedded"),
            "two workers": Home(home / "workers", real_broker, LUMBUNG_STREAM__MASTER=spark.url, **shared),
        }
        if request.config.option.slow:
            for cores in (1, 2):
                master = f"local[{cores}]"
                knobs = on_spark | {"LUMBUNG_STREAM__MASTER": master}
                homes[master] = Home(home / f"local-{cores}", real_broker, **knobs)
        events = [*prices(draw, 900), *others(draw, 100)]
        topics.send(events)
        for name, each in homes.items():
            if name == "two workers":
                run_under_faults(each, home / "cluster")
            else:
                each.run()
        topics.send(decisions(homes["embedded"], topics) + list(prices(draw, 300)))
        run_with_halted_drivers(homes.values(), home / "cluster")
    expected = homes["embedded"].rows()
    assert expected["bronze.events"].total() == topics.sent
    assert expected["gold.reviews"] and expected["silver.quarantine"].total() > 20
    for name, each in homes.items():
        written = each.rows()
        for table, rows in expected.items():
            assert not (missing := rows - written[table]), (name, table, list(missing)[:2])
            assert not (surplus := written[table] - rows), (name, table, list(surplus)[:2])


def decisions(of: Home, topics: Topics) -> list[tuple[str, dict[str, Any]]]:
    """On the first quarantined rows of the home, in turn a release, a rejection and a correction."""
    with of.settings():
        rows = open_table("silver.quarantine").to_pyarrow_table().to_pylist()
    rows = sorted(rows, key=lambda row: (row["topic"], row["partition"], row["offset"]))
    chosen = [row for row in rows if row["kind"] == "price"][:24]
    verdicts = ("release", "reject", "correct")
    events = []
    for number, row in enumerate(chosen):
        verdict = verdicts[number % 3]
        correction = {"price": 12_000, "commodity": ELSEWHERE[row["partition"]]}
        more = {"correction": correction} if verdict == "correct" else {}
        fields = orjson.loads(decide(row, verdict, f"d-{number}", **more))
        del fields["quarantined_at"]  # each home has its own
        events.append(("decision", fields))
    return events
