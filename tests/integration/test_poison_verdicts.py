"""Every poison case through the doors of the real stack, and what the stream made of it: silver, or quarantine with its rule."""

import tempfile
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

from conf.broker import QUIET
from lakehouse.contract import kinds
from lakehouse.event import Event
from lakehouse.paths import table_path
from tests.integration.stack import Stack
from tests.producers.poison_cases import MARKET, ROW_HEADER, Case, cases, raw_cases
from tests.producers.test_csv_door import appears
from tests.producers.test_mqtt_door import Device

NOW = datetime.now(UTC)
MQTT, CSV = cases("mqtt", NOW), cases("csv", NOW)
HTTP = [case for case in cases("http", NOW) if "http" not in raw_cases()[case.number]]  # the others never pass the door
KAFKA = cases("kafka", NOW)  # kinds that come from routes of their own
Seen = dict[str, list[tuple[str, list[str]]]]  # source or event id -> (silver or quarantine, rules or warnings)


def publish_mqtt(stack: Stack) -> None:
    device = Device(stack.mqtt_port, "poison")
    bodies = [(case, body) for case in MQTT for body in case.bodies]
    for case, body in bodies:
        device.client.publish(f"lumbung/v1/{MARKET}/P-{case.number}/{case.kind}", body, qos=1)
    assert device.until(lambda: len(device.acknowledged) == len(bodies), 30)
    device.close()


def publish_csv(stack: Stack) -> None:
    files = [[case.bodies[0] for case in CSV], [case.bodies[1] for case in CSV if len(case.bodies) > 1]]
    for number, rows in enumerate(files, start=1):
        draft = stack.home / f"poison-{number}.csv"
        draft.write_bytes(b"\n".join([ROW_HEADER.encode(), *rows, b""]))
        draft.rename(stack.landing / draft.name)
        assert appears(stack.landing / "done" / draft.name)


def publish_http(stack: Stack) -> None:
    for case in HTTP:
        for body in case.bodies:
            headers = {
                "Content-Type": "application/json",
                "Authorization": f"Bearer {stack.tokens[kinds()[case.kind].over_http or 'central']}",
            }
            ask = urllib.request.Request(f"{stack.api_url}/api/v1/ingest/{case.kind}", body, headers)
            with urllib.request.urlopen(ask, timeout=15) as answer:
                assert answer.status == 202, case.name


def publish_kafka(stack: Stack) -> None:
    producer = Producer({"bootstrap.servers": stack.bootstrap, **QUIET})
    for case in KAFKA:
        for body in case.bodies:
            event = Event(case.kind, "one-series", body, case.event_id, "test:1", NOW)
            producer.produce(event.topic, event.value, event.key, headers=event.headers)
    assert producer.flush(20) == 0


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    knobs = {"LUMBUNG_MQTT__BURST": "1000", "LUMBUNG_LANDING__SETTLE_SECONDS": "0.3"}
    with tempfile.TemporaryDirectory(prefix="lumbung-verdicts-") as folder, Stack(Path(folder) / "home", **knobs) as stack:
        publish_mqtt(stack)
        publish_csv(stack)
        publish_http(stack)
        publish_kafka(stack)
        stack.wait_drained(180)  # the first batch holds every kind, and each plan is made for it
        assert orjson.loads(stack.run("reconcile", "--json").stdout)["balanced"] is True
        found: Seen = {}
        wanted = ["source", "event_id"]
        for table in ("silver.quarantine", *(contract.table for contract in kinds().values())):
            refused = table == "silver.quarantine"
            columns = [*wanted, "reasons" if refused else "_warnings"]
            for row in DeltaTable(table_path(stack.lake_root, table)).to_pyarrow_table(columns=columns).to_pylist():
                rules = [reason["rule"] for reason in row["reasons"]] if refused else list(row["_warnings"])
                verdict = ("quarantine" if refused else "silver", rules)
                for name in (row["source"], row["event_id"]):
                    found.setdefault(name, []).append(verdict)
        yield found


def check(verdicts: list[tuple[str, list[str]]], case: Case) -> None:
    """One verdict for the first body, and what the second adds."""
    if case.stream.startswith("dlq:"):
        assert verdicts == []
        return
    kept = [rules for where, rules in verdicts if where == "silver"]
    refused = [rules for where, rules in verdicts if where == "quarantine"]
    if case.again == "id_conflict":
        conflicts = [rules for rules in refused if rules[0] == "id_conflict"]
        assert len(conflicts) == 1
        refused.remove(conflicts[0])
    if case.stream == "silver":
        assert kept and not refused
        assert case.warn is None or case.warn in kept[0]
    else:
        assert not kept and len(refused) == 1 and case.stream in refused[0]


def by_name(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", MQTT, ids=by_name)
def test_over_mqtt(seen: Seen, case: Case):
    check(seen.get(f"mqtt:P-{case.number}", []), case)


@pytest.mark.parametrize("case", CSV, ids=by_name)
def test_in_a_csv(seen: Seen, case: Case):
    row = CSV.index(case) + 1
    twice = [other for other in CSV if len(other.bodies) > 1]
    verdicts = seen.get(f"file:poison-1.csv#{row}", [])
    if case in twice:
        verdicts = verdicts + seen.get(f"file:poison-2.csv#{twice.index(case) + 1}", [])
    check(verdicts, case)


@pytest.mark.parametrize("case", [case for case in HTTP if case.stream != "event_id_format"], ids=by_name)
def test_over_http(seen: Seen, case: Case):
    check(seen.get(case.event_id, []), case)


@pytest.mark.parametrize("case", KAFKA, ids=by_name)
def test_over_kafka(seen: Seen, case: Case):
    check(seen.get(case.event_id, []), case)
