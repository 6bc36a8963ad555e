"""Rebuild: silver, quarantine and gold from bronze, gold alone from its sources, or a new checkpoint."""

import json
import logging
import threading
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import typer
from rich.progress import track

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused
from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.bronze.events import JUDGED, with_identity
from lakehouse.contracts.contract import contracts, kinds, rule_set
from lakehouse.io import checkpoint
from lakehouse.io.checkpoint import note_position
from lakehouse.io.delta import (
    BatchTag,
    Positions,
    append_rows,
    create_tables,
    empty_table,
    open_table,
    table_exists,
)
from lakehouse.io.kafka import broker_ids
from lakehouse.io.query import run_sql
from lakehouse.io.signing_keys import signing_keys
from lakehouse.io.table_files import faults, remedy_of
from lakehouse.io.terminal import Terminal, translated
from lakehouse.signatures import SigningKeys
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.batch_time import chunks
from streaming_jobs.batch.counts import balance_row, counts_by_kind, counts_of, quality_rows
from streaming_jobs.batch.decisions import DECISION, AppliedDecision, DecisionResolver, review_rows
from streaming_jobs.batch.driver import (
    Resubmissions,
    by_their_place,
    judge_in_turn,
    written_versions,
)
from streaming_jobs.batch.event_ids import EventIds
from streaming_jobs.batch.folded_gold import FoldedGold, rows_to_fold
from streaming_jobs.batch.judge import Judge, Known, accepted_rows
from streaming_jobs.batch.kind_result import KindResult
from streaming_jobs.batch.place import Place, by_kind, kind_of_place, places_of
from streaming_jobs.batch.place_memory import forget_saved
from streaming_jobs.batch.task import Settle, as_they_are, landed_of, outcome_rows
from streaming_jobs.embedded.feed import after
from streaming_jobs.gold import runner
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.repair.rebuild_gold import GoldEngine, gold_tables, rebuild_gold
from streaming_jobs.startup import checks
from streaming_jobs.startup.heal import start_over

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Terminal()
REBUILT = "rebuilt"  # stream id of batches whose own is no longer known
WHAT = ("silver", "gold", "checkpoint")


def of_batches(times: list[datetime]) -> pc.Expression:
    """Which rows belong to the batches of these times, ascending and without a gap."""
    return (pc.field("ingested_at") >= times[0]) & (pc.field("ingested_at") <= times[-1])


def counts_by_batch(bronze: ds.Dataset) -> list[tuple[datetime, int, int]]:
    """Batch time, events and decisions of each batch, oldest first."""
    sql = f"""select ingested_at, count(*) as events, count(*) filter (kind = '{DECISION}') as decisions
              from bronze group by ingested_at order by ingested_at"""
    rows = run_sql(sql, {"bronze": bronze}).to_pylist()
    return [(row["ingested_at"], row["events"], row["decisions"]) for row in rows]


def noted_state() -> dict[str, Any]:
    """What the tables know before they are emptied, or as an unfinished rebuild noted it.

    `batches`: batch time -> [stream id, batch number], from the balance. `newest`: tag of the newest batch.
    """
    file = checks.rebuilding_file()
    noted: dict[str, Any] | None = read_json(file)
    if noted is not None:
        return noted
    readable = table_exists("gold.balance") and not faults("gold.balance", deep=True)
    newest = checkpoint.newest_batch() if readable else checkpoint.newest_tag("bronze.events")
    batches: dict[str, list[Any]] = {}
    if readable:
        balance = open_table("gold.balance").to_pyarrow_table(
            columns=["ingested_at", "stream_id", "batch_id"]
        )
        rows = balance.to_pylist()
        batches = {row["ingested_at"].isoformat(): [row["stream_id"], row["batch_id"]] for row in rows}
    if newest and newest.time:  # it may be under way, and is judged here with the others
        batches.setdefault(newest.time.isoformat(), [newest.stream_id, newest.batch_id])
    state = {"batches": batches, "newest": json.loads(newest.text()) if newest else None}
    write_json(file, state)
    return state


def start_over_damaged() -> None:
    """Make every table that is rebuilt writable again. Raises Refused when bronze is damaged."""
    if problems := faults("bronze.events"):
        raise Refused(f"bronze.events: {'; '.join(problems[:3])}. Remedy: {remedy_of('bronze.events')}")
    noted_state()  # now: the balance may be one of them
    for contract in contracts().values():
        if not contract.kept_by_rebuild and faults(contract.table):
            start_over(contract.table)


@dataclass(frozen=True)
class JudgedKind:
    """What was judged of a kind."""

    judge: Judge
    result: KindResult


class Rebuild:
    """Silver, quarantine and gold from bronze: the rows that the stream wrote, judged by today's rules."""

    def __init__(self, batches: dict[str, list[Any]], keys: SigningKeys) -> None:
        self._keys = keys
        self._judges: dict[str, Judge] = {}
        self._known: dict[Place, Known] = {}
        self._ids: dict[str, EventIds | None] = {}  # of all partitions of a topic: an id lands once
        self._decisions = DecisionResolver()
        self._gold = FoldedGold()
        self._batches = batches

    def _tag(self, time: datetime) -> BatchTag:
        stream, number = self._batches.get(time.isoformat(), [REBUILT, -1])
        return BatchTag(stream, number)

    def chunk(self, bronze: ds.Dataset, times: list[datetime]) -> int:
        """Judge and write the batches of these times; returns the number of events."""
        rows = with_identity(bronze.to_table(filter=of_batches(times)))
        parts = {kind: part for kind, part in by_kind(rows).items() if kind in kinds()}
        outcomes, applied = judge_in_turn(parts, self._decisions, times[-1], self._judge)
        resubmissions = by_their_place(applied)
        left = {kind_of_place(place) for place in resubmissions} - parts.keys()
        outcomes += [
            self._judge(kind, JUDGED.empty_table(), resubmissions, as_they_are) for kind in sorted(left)
        ]
        last = self._tag(times[-1])
        written: dict[str, list[pa.Table]] = {}
        for outcome in outcomes:
            for table, of_table in outcome_rows(outcome.judge, outcome.result).items():
                written.setdefault(table, []).append(of_table)
        for table, parts_of_table in written.items():
            append_rows(table, pa.concat_tables(parts_of_table), last.text())
        to_fold = [
            rows_to_fold(kinds()[each.judge.kind].table, accepted_rows(each.result)) for each in outcomes
        ]
        self._gold.update(to_fold, last)
        self._count(outcomes, applied, times)
        return sum(int(outcome.result.arrived.sum()) for outcome in outcomes)

    def _judge(self, kind: str, bronze: pa.Table, resubmissions: Resubmissions, settle: Settle) -> JudgedKind:
        own = {place: events for place, events in resubmissions.items() if kind_of_place(place) == kind}
        judge = self._judges.setdefault(kind, Judge(kind, self._keys))
        for place in {*places_of(bronze), *own} - self._known.keys():
            known = Known.nothing(kind)
            self._known[place] = replace(known, ids=self._ids.setdefault(place[0], known.ids))
        result = judge.judge(bronze, self._known, [event for events in own.values() for event in events])
        settle(result, judge)
        return JudgedKind(judge, result)

    def _count(
        self, outcomes: list[JudgedKind], applied: list[AppliedDecision], times: list[datetime]
    ) -> None:
        """Counts per batch, as the stream writes them."""
        rules = {outcome.judge.kind: outcome.judge.rules for outcome in outcomes}
        fingerprint = rule_set(settings().rule_values())
        quality: list[dict[str, Any]] = []
        balance: list[dict[str, Any]] = []
        for time in times:
            tag = self._tag(time)
            parts = (
                counts_of(each.result if len(times) == 1 else each.result.of_batch(time), each.judge.rules)
                for each in outcomes
            )
            for counts in counts_by_kind(part for part in parts if len(times) == 1 or part.rows_in):
                quality += quality_rows(counts, rules[counts.kind], fingerprint, tag)
                balance.append(balance_row(counts, tag, time))
        landed = {place: lands for each in outcomes for place, lands in landed_of(each.result).items()}
        for table, rows in (
            ("gold.data_quality", quality),
            ("gold.reviews", review_rows(applied, landed)),
        ):
            if rows:
                append_rows(table, rows, self._tag(times[-1]).text())
        last = self._tag(times[-1])
        append_rows("gold.balance", balance, last.text(versions=written_versions()))


def rebuild_silver() -> int:
    """Returns the number of events judged, also those of a batch that was interrupted.

    When it is killed, the stream does not start until it has run again. Raises Refused when signatures
    cannot be verified.
    """
    keys = signing_keys()
    state = noted_state()
    newest = BatchTag.of(state["newest"]) if state["newest"] else None
    bronze = open_table("bronze.events").to_pyarrow_dataset()
    counts = counts_by_batch(bronze)
    for contract in contracts().values():
        if not contract.kept_by_rebuild:
            empty_table(contract.table, newest)
    forget_saved()  # it is about the rows before
    events = 0
    rebuild = Rebuild(state["batches"], keys)
    groups = list(chunks(counts, settings().stream.max_events_per_batch))
    for times in track(groups, "rebuild silver", console=console, disable=not groups):
        events += rebuild.chunk(bronze, times)
    if newest:
        append_rows("gold.balance", [], newest.text(versions=written_versions()))
    IncrementalGold(1).refresh()
    runner.BackgroundJobs(runner.make_jobs(), threading.Event()).round()
    checks.rebuilding_file().unlink()
    return events


def bronze_positions() -> Positions:
    """Next offset per topic and partition after the last record in bronze; those without any are left out."""
    return after(open_table("bronze.events").to_pyarrow_table(columns=["topic", "partition", "offset"]))


def rebuild_checkpoint() -> Positions:
    """Note that the stream continues after the last record in bronze.

    A topic that was created again since then begins at its first record. Raises Refused when Kafka does not
    answer.
    """
    bronze = bronze_positions()
    bounds = checks.kafka_bounds()
    changed = kafka_source.changed_ids(broker_ids(list(bounds)))
    positions: Positions = {}
    for topic, parts in bounds.items():
        positions[topic] = {}
        for partition, (low, high) in parts.items():
            after = bronze.get(topic, {}).get(partition, low)
            if topic in changed:
                console.print(f"{topic}/{partition} was created again: beginning at {low}", markup=False)
                after = low
            elif not low <= after <= high:
                console.print(
                    f"{topic}/{partition}: Kafka holds {low} to {high}, bronze continues at {after}: "
                    f"beginning at {low}",
                    markup=False,
                )
            positions[topic][partition] = after if low <= after <= high else low
    tag = position_tag(positions)
    note_position(tag, written_versions())
    kafka_source.noted_ids_file().unlink(missing_ok=True)
    kafka_source.note_ids(tag.stream_id)
    return positions


def position_tag(positions: Positions) -> BatchTag:
    """The batch without records that moves the stream to the positions."""
    newest = checkpoint.newest_batch()
    if newest:
        return BatchTag(newest.stream_id, newest.batch_id + 1, positions, newest.time)
    rows = open_table("bronze.events").to_pyarrow_table(columns=["ingested_at"])
    return BatchTag(
        uuid.uuid4().hex, kafka_source.BEFORE_THE_FIRST, positions, pc.max(rows["ingested_at"]).as_py()
    )


@app.command()
def main(
    what: Annotated[
        str,
        typer.Argument(
            help="silver: tables from bronze; gold: tables from those that they follow; "
            "checkpoint: where the stream continues"
        ),
    ],
    table: Annotated[str | None, typer.Option(help="gold: this table alone")] = None,
    engine: Annotated[
        GoldEngine | None,
        typer.Option(help="gold: what computes it; Spark only tables whose contract is SQL"),
    ] = None,
) -> None:
    """Compute tables again, or repair what keeps the stream from starting.

    For silver and gold the stack must be down. For checkpoint the broker must run and the stream must not: so
    it is after an `up` that the stream refused.
    """
    configure_logging(logging.WARNING)
    if fault := usage_fault(what, table, engine):
        console.print(fault, markup=False)
        raise typer.Exit(ExitCode.USAGE)
    try:
        with ExitStack() as locks:
            locks.enter_context(checks.lock())
            if what != "checkpoint":
                locks.enter_context(runner.lock())
            if what == "silver":
                start_over_damaged()
            create_tables()
            if what == "checkpoint":
                print(json.dumps(rebuild_checkpoint()))
            elif what == "silver":
                events = rebuild_silver()
                print(translated(f"{events} events judged again"))
            else:
                by = engine or GoldEngine.duckdb
                rebuild_gold([table] if table else gold_tables(by), by)
    except Refused as refusal:
        console.print(str(refusal), markup=False)
        raise typer.Exit(ExitCode.REFUSED) from None
    if what == "checkpoint" and (unjudged := checks.count_unjudged()):
        console.print(
            f"{unjudged} records of bronze were never judged: run ./run.sh rebuild silver too", markup=False
        )


def usage_fault(what: str, table: str | None, engine: GoldEngine | None) -> str | None:
    """What is wrong with the arguments; None when they can be used."""
    if what not in WHAT:
        return f"'{what}' cannot be rebuilt: give silver, gold or checkpoint"
    if what != "gold":
        return "--table and --engine are options of rebuild gold" if table or engine else None
    if not table or table in gold_tables(engine or GoldEngine.duckdb):
        return None
    if table in gold_tables():
        return f"{table} is not computed by SQL: leave out --engine spark"
    return f"{table} cannot be computed again; what can: {', '.join(gold_tables())}"
