"""Evaluate today's rules on quarantined rows again, and publish decisions that resubmit those that pass."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow.compute as pc
import typer
from rich.table import Table

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused
from conf.settings import settings
from lakehouse.bronze.events import JUDGED
from lakehouse.contracts.contract import kinds, rule_set
from lakehouse.contracts.rule_masks import names_in
from lakehouse.event import Event
from lakehouse.io.delta import open_table
from lakehouse.io.kafka import NotAcknowledged, publish
from lakehouse.io.signing_keys import signing_keys
from lakehouse.io.terminal import console, fail, translated
from lakehouse.signatures import SigningKeys
from streaming_jobs.batch.decisions import DECISION, AppliedDecision
from streaming_jobs.batch.judge import Judge, Known
from streaming_jobs.batch.kind_result import Resubmission
from streaming_jobs.batch.place_memory import remember_silver
from streaming_jobs.gold.day_close import record_of, release_of

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
ACTOR = "system:replay"
Row = dict[str, Any]
RowKey = tuple[int, int, int]  # partition, offset, generation


@dataclass(frozen=True)
class ReplayedRow:
    """A quarantined row with the error rules that it violates today; without any it would land."""

    row: Row
    violated: tuple[str, ...]


def open_rows(rule: str | None, kind: str | None) -> list[Row]:
    """Undecided rows of silver.quarantine that violated the rule, or any rule when None.

    Without decisions: these are not carried out later, their row can be decided again.
    """
    reviews = open_table("gold.reviews").to_pyarrow_table(columns=["target_record", "generation"]).to_pylist()
    decided = {(row["target_record"], row["generation"]) for row in reviews}
    dataset = open_table("silver.quarantine").to_pyarrow_dataset()
    wanted = pc.field("kind") != DECISION
    rows = dataset.to_table(filter=wanted & (pc.field("kind") == kind) if kind else wanted).to_pylist()
    return [
        row
        for row in rows
        if (record_of(row), row["generation"]) not in decided
        and (rule is None or any(reason["rule"] == rule for reason in row["reasons"]))
    ]


def resubmission_of(row: Row, now: datetime) -> Resubmission:
    """The row as a decision would resubmit it with no rule waived."""
    decision = {"decision": "release", "recheck": True, "ingested_at": now, "correction": None}
    resubmission = AppliedDecision(decision, row).resubmission
    assert resubmission is not None
    return resubmission


def replay(keys: SigningKeys, rows: Sequence[Row], now: datetime) -> Iterator[ReplayedRow]:
    """Today's verdict on each row."""
    for kind in sorted({row["kind"] for row in rows}):
        judge = Judge(kind, keys)
        known = Known(None, Known.nothing(kind).validator)
        if known.validator:
            remember_silver(known.validator, kind, pc.field("ingested_at") < now)
        by_key = {row_key(row): row for row in rows if row["kind"] == kind}
        events = [resubmission_of(row, now) for row in by_key.values()]
        result = judge.judge(JUDGED.empty_table(), {event.place: known for event in events}, events)
        for number, event in result.resubmitted.items():
            row = by_key[event.partition, event.offset, event.generation]
            yield ReplayedRow(row, names_in(int(result.mask[number]) & result.errors, judge.rules))


def row_key(row: Row) -> RowKey:
    """What identifies a quarantined row within its kind."""
    return row["partition"], row["offset"], row["generation"]


def decision_on(row: Row, rule: str | None, rules: str, now: datetime) -> Event:
    """The event that resubmits a row. Its id depends on row and rules only: sent twice, it counts once."""
    identity = hashlib.sha256(f"{record_of(row)}#{row['generation']}@{rules}".encode()).hexdigest()[:24]
    suffix = f": {rule}" if rule else ""
    reason = f"judged again by rule set {rules}, before by {row['rule_set']}{suffix}"
    return release_of(row, f"d-replay-{identity}", now, ACTOR, reason, recheck=True)


def summary_table(replayed: Sequence[ReplayedRow]) -> Table:
    """How many rows would land, and which rules keep the others in quarantine."""
    headings = map(translated, ("verdict today", "rows"))
    table = Table(*headings, title=translated(f"{len(replayed)} open rows"))
    table.add_row(translated("would land in silver"), str(sum(not row.violated for row in replayed)))
    for rule, count in _violations(replayed).most_common():
        table.add_row(translated(f"stays: {rule}"), str(count))
    return table


def _violations(replayed: Sequence[ReplayedRow]) -> Counter[str]:
    return Counter(rule for row in replayed for rule in row.violated)


@app.command()
def main(
    rule: Annotated[str | None, typer.Option(help="only rows that violated this rule")] = None,
    kind: Annotated[str | None, typer.Option(help="only events of this kind")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what would change, and change nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")] = False,
) -> None:
    """Evaluate today's rules on quarantined rows again; resubmit those that pass to the stream."""
    configure_logging(logging.ERROR)
    rule_names = {each.name for contract in kinds().values() for each in contract.rules}
    for name, known, word in ((rule, rule_names, "rule"), (kind, set(kinds()), "kind")):
        if name is not None and name not in known:
            fail(f"no {word} is called '{name}'; known: {', '.join(sorted(known))}", ExitCode.USAGE)
    try:
        keys = signing_keys()
    except Refused as refusal:
        fail(str(refusal), ExitCode.REFUSED)
    rows = open_rows(rule, kind)
    now = datetime.now(UTC)
    console.print(f"{len(rows)} open rows to judge again", markup=False)
    replayed = list(replay(keys, rows, now))
    rules = rule_set(settings().rule_values())
    passing = [row.row for row in replayed if not row.violated]
    if as_json:
        report = {
            "open": len(replayed),
            "would_land": len(passing),
            "stays": dict(_violations(replayed)),
            "dry_run": dry_run,
        }
        print(json.dumps(report))
    else:
        console.print(summary_table(replayed))
    if dry_run or not passing:
        return
    try:
        publish([keys.sign(decision_on(row, rule, rules, now)) for row in passing])
    except NotAcknowledged as error:
        text = f"not all decisions were acknowledged ({error}): ./run.sh up, then run this again"
        fail(text, ExitCode.NOT_RUNNING)
    console.print(
        f"{len(passing)} decisions published; the stream applies them with its next batches", markup=False
    )
