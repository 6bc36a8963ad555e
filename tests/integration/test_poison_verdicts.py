"""One poison case per kind and verdict through the real stack: silver, or quarantine with its rule.

All cases: judged by the rules in tests/lakehouse/test_poison_judged.py, over MQTT and in CSV files to Kafka
in tests/producers/test_poison_doors.py, over HTTP to Kafka in tests/serving_api/test_ingest.py.
"""

import urllib.request
from datetime import UTC, datetime

import orjson
import pyarrow.compute as pc
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.history_rules import signed_kinds
from lakehouse.event import Event
from lakehouse.io.kafka import client_config
from lakehouse.paths import table_path
from lakehouse.signatures import SigningKeys
from scripts.stack.throwaway import Stack
from tests.support.identity.devices import provide, publish_case
from tests.support.poison_cases import ROW_HEADER, Case, cases, one_per_verdict, raw_cases
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
MQTT, CSV, HTTP, KAFKA = one_per_verdict(
    cases("mqtt", NOW),
    cases("csv", NOW),
    # The API refuses the others at once.
    [case for case in cases("http", NOW) if "http" not in raw_cases()[case.number]],
    cases("kafka", NOW),  # kinds that have routes of their own
)
# source or event id -> (silver or quarantine, rules or warnings)
Seen = dict[str, list[tuple[str, list[str]]]]


def publish_mqtt(stack: Stack) -> None:
    provide(*(f"P-{case.number:03}" for case in MQTT), url=stack.identity_url)
    for case in MQTT:
        publish_case(stack.mqtt_port, case)


def publish_csv(stack: Stack) -> None:
    files = [[case.bodies[0] for case in CSV], [case.bodies[1] for case in CSV if len(case.bodies) > 1]]
    for number, rows in enumerate(files, start=1):
        draft = stack.home / f"poison-{number}.csv"
        draft.write_bytes(b"\n".join([ROW_HEADER.encode(), *rows, b""]))
        draft.chmod(0o600)  # a file keeps the rights that its sender gave it
        draft.rename(stack.landing / draft.name)
        eventually((stack.landing / "done" / draft.name).exists)


def publish_http(stack: Stack) -> None:
    for case in HTTP:
        for body in case.bodies:
            headers = {
                "Content-Type": "application/json",
                "Authorization": f"Bearer {stack.tokens[kinds()[case.kind].over_http or 'central']}",
            }
            request = urllib.request.Request(f"{stack.api_url}/api/v1/ingest/{case.kind}", body, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 202, case.name


def publish_kafka(stack: Stack) -> None:
    producer = Producer(client_config(stack.bootstrap))
    secrets = (stack.home / "secrets.env").read_text()
    keys = SigningKeys((secrets.partition("LUMBUNG_DECISION_KEYS=")[2].split()[0],))
    for case in KAFKA:
        for body in case.bodies:
            event = Event(case.kind, "one-series", body, case.event_id, "test:1", NOW)
            event = keys.sign(event) if case.kind in signed_kinds() else event
            producer.produce(event.topic, event.value, event.key, headers=event.headers)
    assert producer.flush(60) == 0


@pytest.fixture(scope="module")
def seen(stack: Stack) -> Seen:
    publish_mqtt(stack)
    publish_csv(stack)
    publish_http(stack)
    publish_kafka(stack)
    stack.wait_drained(180)  # the first batch may hold every kind, and each plan is made for it
    assert orjson.loads(stack.run("reconcile", "--json").stdout)["balanced"] is True
    source = pc.field("source")  # the stack is shared: other files are of other tests
    ours = ~pc.starts_with(source, "file:") | pc.starts_with(source, "file:poison-")
    verdicts: Seen = {}
    for table in ("silver.quarantine", *(contract.table for contract in kinds().values())):
        refused = table == "silver.quarantine"
        rows = DeltaTable(table_path(stack.lake_root, table)).to_pyarrow_table(
            columns=["source", "event_id", "reasons" if refused else "_warnings"],
            filters=ours,
        )
        for row in rows.to_pylist():
            rules = [reason["rule"] for reason in row["reasons"]] if refused else list(row["_warnings"])
            verdict = ("quarantine" if refused else "silver", rules)
            for name in (row["source"], row["event_id"]):
                verdicts.setdefault(name, []).append(verdict)
    return verdicts


def check(verdicts: list[tuple[str, list[str]]], case: Case) -> None:
    """One verdict for the first body, and for the second its own."""
    if case.stream.startswith("dlq:"):
        reason = case.stream.removeprefix("dlq:")
        rule = {"payload_size": "payload_cut"}.get(reason, reason)
        assert [(table, rules[0]) for table, rules in verdicts] == [("quarantine", rule)]
        return
    kept = [rules for table, rules in verdicts if table == "silver"]
    refused = [rules for table, rules in verdicts if table == "quarantine"]
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
    check(seen.get(f"mqtt:P-{case.number:03}", []), case)


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
