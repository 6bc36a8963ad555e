"""Rebuild: silver, quarantine and gold from bronze, gold alone from its sources, or a new checkpoint."""

import json
import logging
import shutil
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
import typer
from rich.progress import track

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused
from conf.runtime.status_files import read_json, write_json, write_text
from conf.settings import settings
from lakehouse.bronze.events import with_identity
from lakehouse.contracts.contract import contracts, kinds
from lakehouse.io import checkpoint
from lakehouse.io.checkpoint import Positions
from lakehouse.io.delta import (
    BatchTag,
    append_rows,
    create_tables,
    empty_table,
    open_table,
    table_exists,
)
from lakehouse.io.kafka import broker_ids
from lakehouse.io.signing_keys import signing_keys
from lakehouse.io.table_files import faults, remedy_of
from lakehouse.io.terminal import Terminal, translated
from lakehouse.signatures import SigningKeys
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.batch_time import batch_time, chunks
from streaming_jobs.batch.counts import balance_row, quality_rows
from streaming_jobs.batch.decisions import AppliedDecision, DecisionResolver, review_rows
from streaming_jobs.batch.event_index import EventIds
from streaming_jobs.batch.folded_gold import FoldedGold
from streaming_jobs.batch.judge import Judge, accepted_tables
from streaming_jobs.batch.kind_result import KindResult
from streaming_jobs.batch.validator_memory import memory_file
from streaming_jobs.batch.writer import append_counts, judge_all, rows_of
from streaming_jobs.embedded.feed import after
from streaming_jobs.gold import runner
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.repair.rebuild_gold import GoldEngine, gold_tables, rebuild_gold
from streaming_jobs.startup import checks
from streaming_jobs.startup.heal import start_over
from streaming_jobs.startup.refill_index import bronze_without, counts_by_batch, of_batches

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Terminal()
REBUILT = "rebuilt"  # stream id of batches whose own is no longer known
WHAT = ("silver", "gold", "checkpoint")


def last_batch(batches: dict[str, list[Any]]) -> tuple[datetime | None, str, int]:
    """Time of the unfinished batch, which will run again (None without one); stream id and number of the last
    finished one.

    `batches`: of `known_batches`.
    """
    stream = checkpoint.stream_id()
    planned = checkpoint.planned_batches()
    finished = checkpoint.finished_batches()
    if stream is None or not planned:
        return None, REBUILT, -1
    if finished and planned[-1] <= finished[-1]:
        return None, stream, planned[-1]
    others = [datetime.fromisoformat(time) for time, of in batches.items() if of != [stream, planned[-1]]]
    time = batch_time(checkpoint.batch_offsets(planned[-1]).time, max(others, default=None))
    return time, stream, planned[-1] - 1


def known_batches() -> dict[str, list[Any]]:
    """Batch time -> [stream id, batch number], from the balance, or as an unfinished rebuild noted it."""
    file = checks.rebuilding_file()
    noted: dict[str, list[Any]] | None = read_json(file)
    if noted is not None:
        return noted
    batches: dict[str, list[Any]] = {}
    if table_exists("gold.balance") and not faults("gold.balance", deep=True):
        balance = open_table("gold.balance").to_pyarrow_table(
            columns=["ingested_at", "stream_id", "batch_id"]
        )
        rows = balance.to_pylist()
        batches = {row["ingested_at"].isoformat(): [row["stream_id"], row["batch_id"]] for row in rows}
    write_json(file, batches)
    return batches


def start_over_damaged() -> None:
    """Make every table that is rebuilt writable again. Raises Refused when bronze is damaged."""
    if problems := faults("bronze.events"):
        raise Refused(f"bronze.events: {'; '.join(problems[:3])}. Remedy: {remedy_of('bronze.events')}")
    known_batches()  # noted now: the balance may be one of them
    for contract in contracts().values():
        if not contract.kept_by_rebuild and faults(contract.table):
            start_over(contract.table)


class Rebuild:
    """Silver, quarantine and gold from bronze: the rows that the stream wrote, judged by today's rules."""

    def __init__(self, ids: EventIds, batches: dict[str, list[Any]], keys: SigningKeys) -> None:
        self._judge = Judge(ids, keys)
        self._decisions = DecisionResolver()
        self._gold = FoldedGold()
        self._batches = batches

    def _tag(self, time: datetime) -> BatchTag:
        stream, number = self._batches.get(time.isoformat(), [REBUILT, -1])
        return BatchTag(stream, number)

    def chunk(self, bronze: ds.Dataset, times: list[datetime]) -> int:
        """Judge and write the batches of these times; returns the number of events."""
        rows = with_identity(bronze.to_table(filter=of_batches(times)))
        present = [kind for kind in pc.unique(rows["kind"]).to_pylist() if kind in kinds()]
        last = self._tag(times[-1])
        results, applied = judge_all(self._judge, self._decisions, rows, present, times[-1])
        for table, make in rows_of(self._judge, results):
            append_rows(table, make(), last.text())
        self._gold.update(accepted_tables(results), last)
        self._count(results, applied, times)
        return sum(int(result.arrived.sum()) for result in results)

    def _count(
        self, results: list[KindResult], applied: list[AppliedDecision], times: list[datetime]
    ) -> None:
        """Counts per batch, as the stream writes them."""
        judge = self._judge
        last = self._tag(times[-1])
        quality: list[dict[str, Any]] = []
        balance: list[dict[str, Any]] = []
        for time in times:
            tag = self._tag(time)
            for part in results if len(times) == 1 else _parts_of_batch(results, time):
                quality += quality_rows(part, judge.rules[part.kind], judge.rule_set, tag)
                balance.append(balance_row(part, tag, time))
        counted = {
            "gold.data_quality": quality,
            "gold.reviews": review_rows(applied, results),
            "gold.balance": balance,
        }
        append_counts(counted, last, lambda table, tag: False)


def _parts_of_batch(results: list[KindResult], time: datetime) -> list[KindResult]:
    parts = (result.of_batch(time) for result in results)
    return [part for part in parts if len(part.verdict)]


def rebuild_silver() -> int:
    """Returns the number of events judged.

    When it is killed, the stream does not start until it has run again. Raises Refused when signatures
    cannot be verified.
    """
    keys = signing_keys()
    batches = known_batches()
    unfinished, stream_id, batch_id = last_batch(batches)
    bronze = bronze_without(unfinished)
    counts = counts_by_batch(bronze)
    for contract in contracts().values():
        if not contract.kept_by_rebuild:
            empty_table(contract.table)
    memory_file().unlink(missing_ok=True)  # it is about the rows before
    folder = settings().state_dir / "event_ids"
    shutil.rmtree(folder, ignore_errors=True)
    ids = EventIds(folder)
    events = 0
    rebuild = Rebuild(ids, batches, keys)
    groups = list(chunks(counts, settings().stream.max_events_per_batch))
    for times in track(groups, "rebuild silver", console=console, disable=not groups):
        events += rebuild.chunk(bronze, times)
        ids.commit(REBUILT, -1)
    IncrementalGold(1).refresh()
    runner.BackgroundJobs(runner.make_jobs(), threading.Event()).round()
    ids.commit(stream_id, batch_id)
    ids.close()
    checks.rebuilding_file().unlink()
    return events


def bronze_positions() -> Positions:
    """Next offset per topic and partition after the last record in bronze; those without any are left out."""
    return after(open_table("bronze.events").to_pyarrow_table(columns=["topic", "partition", "offset"]))


def rebuild_checkpoint() -> Positions:
    """Move the checkpoint away and note where the next one begins.

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
    folder = checkpoint.checkpoint_dir()
    if folder.exists():
        kept = folder.with_name(f"checkpoint.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        folder.rename(kept)
        console.print(f"the old checkpoint is kept in {kept.name}", markup=False)
    write_text(kafka_source.starting_after_file(), str(open_table("bronze.events").version()))
    write_json(kafka_source.starting_offsets_file(), positions)
    return positions


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
