"""Quarantine judged again by today's rules: shows what would change, then lets what passes go round once more."""

import hashlib
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import pyarrow.compute as pc
import typer
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from rich.console import Console
from rich.table import Table

from conf.broker import producer_config
from conf.settings import settings
from lakehouse.contract import kinds
from lakehouse.event import Event, rfc3339, series_key
from streaming_jobs.delta_sink import open_table
from streaming_jobs.judging import Judge, KindResult
from streaming_jobs.reviews import DECISION, Reentry, Target
from streaming_jobs.reviews import Review as Again
from streaming_jobs.session import session

console = Console(stderr=True)
NOT_RUNNING, WRONG_USAGE = 4, 2
ACTOR = "system:replay"
Row = dict[str, Any]


@dataclass(frozen=True)
class Outlook:
    """What today's rules say of a quarantined row: `still` names the error rules that it violates; empty: it would land."""

    row: Row
    still: tuple[str, ...]


def known_rules() -> set[str]:
    """Names of all rules of all kinds."""
    return {rule.name for contract in kinds().values() for rule in contract.rules}


def open_rows(rule: str | None, kind: str | None) -> list[Row]:
    """Rows of silver.quarantine that nobody has decided and that broke the rule (any when None)."""
    reviews = open_table("gold.reviews").to_pyarrow_table(columns=["target_record", "generation"]).to_pylist()
    decided = {(row["target_record"], row["generation"]) for row in reviews}
    dataset = open_table("silver.quarantine").to_pyarrow_dataset()
    rows = dataset.to_table(filter=pc.field("kind") == kind if kind else None).to_pylist()
    return [
        row
        for row in rows
        if (record_of(row), row["generation"]) not in decided
        and (rule is None or any(reason["rule"] == rule for reason in row["reasons"]))
    ]


def record_of(row: Row) -> str:
    """topic:partition:offset of a quarantined row."""
    return f"{row['topic']}:{row['partition']}:{row['offset']}"


def reentry_of(row: Row, now: datetime) -> Reentry:
    """The row as if a decision sent it round with nothing let pass."""
    decision = {"decision": "release", "recheck": True, "ingested_at": now, "correction": None}
    entry = Again(decision, row).reentry
    assert entry is not None
    return entry


def outlooks(judge: Judge, rows: Sequence[Row], now: datetime) -> Iterator[Outlook]:
    """Today's verdict on each row."""
    nothing = judge.no_records()
    for kind in sorted({row["kind"] for row in rows}):
        mine: dict[Target, Row] = {place(row): row for row in rows if row["kind"] == kind}
        result = judge.judge(nothing, kind, b"", [reentry_of(row, now) for row in mine.values()])
        for number, entry in result.reentries.items():
            target = mine[("", entry.partition, entry.offset, entry.generation)]
            yield Outlook(target, tuple(still_violated(judge, result, number)))
        result.frame.unpersist()


def place(row: Row) -> Target:
    """Which row of its kind."""
    return ("", row["partition"], row["offset"], row["generation"])


def still_violated(judge: Judge, result: KindResult, number: int) -> Iterator[str]:
    """Names of the error rules that a judged row violates."""
    for bit, rule in enumerate(judge.rules[result.kind]):
        if int(result.mask[number]) & result.errors & (1 << bit):
            yield rule.name


def decision_on(row: Row, rule: str | None, rule_set: str, now: datetime) -> Event:
    """The event that sends a row round again; the same for the same row and rules, however often it is sent."""
    record = record_of(row)
    identity = hashlib.sha256(f"{record}#{row['generation']}@{rule_set}".encode()).hexdigest()[:24]
    payload = {
        "event_id": f"d-replay-{identity}",
        "event_time": rfc3339(now),
        "target_event_id": row["event_id"],
        "target_kind": row["kind"],
        "target_record": record,
        "generation": row["generation"],
        "decision": "release",
        "recheck": True,
        "reason": f"judged again by rule set {rule_set}, before by {row['rule_set']}" + (f": {rule}" if rule else ""),
        "decided_by": ACTOR,
        "quarantined_at": rfc3339(row["quarantined_at"]),
    }
    return Event(
        kind=DECISION,
        key=series_key(DECISION, payload, record),
        value=orjson.dumps(payload),
        event_id=str(payload["event_id"]),
        source=ACTOR,
        received_at=now,
    )


def send(events: Sequence[Event]) -> None:
    """Raises KafkaException when one is not acknowledged."""
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer(producer_config())
    for event in events:
        producer.produce(event.topic, event.value, event.key, on_delivery=delivered, headers=event.headers)
        producer.poll(0)
    producer.flush(settings().kafka.acknowledge_timeout_seconds * 2)
    if failures or len(producer):
        raise KafkaException(failures[0] if failures else KafkaError(KafkaError._TIMED_OUT))


def shown(found: Sequence[Outlook]) -> Table:
    """How many would land, and what keeps the others."""
    table = Table("verdict today", "rows", title=f"{len(found)} open rows")
    table.add_row("would land in silver", str(sum(not one.still for one in found)))
    for rule, count in Counter(rule for one in found for rule in one.still).most_common():
        table.add_row(f"stays: {rule}", str(count))
    return table


def main(
    rule: Annotated[str | None, typer.Option(help="only rows that broke this rule")] = None,
    kind: Annotated[str | None, typer.Option(help="only events of this kind")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would change, and change nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the verdicts as JSON on stdout")] = False,
) -> None:
    """Judge quarantined rows again by the rules as they are now; those that pass are released to the stream's own checks."""
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if rule is not None and rule not in known_rules():
        console.print(f"no rule is called '{rule}'; known: {', '.join(sorted(known_rules()))}", markup=False)
        raise typer.Exit(WRONG_USAGE)
    if kind is not None and kind not in kinds():
        console.print(f"no kind is called '{kind}'; known: {', '.join(kinds())}", markup=False)
        raise typer.Exit(WRONG_USAGE)
    rows, now = open_rows(rule, kind), datetime.now(UTC)
    console.print(f"{len(rows)} open rows to judge again; starting Spark", markup=False)
    found: list[Outlook] = []
    judge_set = ""
    if rows:
        spark = session("lumbung-replay-quarantine")
        judge = Judge(spark, None)
        judge.remember(now)
        found, judge_set = list(outlooks(judge, rows, now)), judge.rule_set
        spark.stop()
    passing = [one.row for one in found if not one.still]
    if as_json:
        kept = Counter(name for one in found for name in one.still)
        print(json.dumps({"open": len(found), "would_land": len(passing), "stays": dict(kept), "dry_run": dry_run}))
    else:
        console.print(shown(found))
    if dry_run or not passing:
        return
    try:
        send([decision_on(row, rule, judge_set, now) for row in passing])
    except KafkaException as error:
        console.print(f"not all decisions were acknowledged ({error}): ./run.sh up, then run this again", markup=False)
        raise typer.Exit(NOT_RUNNING) from None
    console.print(f"{len(passing)} decisions sent; the stream lets the rows in as it takes them up", markup=False)


if __name__ == "__main__":
    sys.argv[0] = "./run.sh replay-quarantine"
    typer.run(main)
