"""Rebuild: silver, quarantine and gold from bronze, gold alone from its sources, or a new checkpoint."""

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import pyarrow.compute as pc
import typer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused
from conf.settings import knob_variables, take_knobs
from lakehouse.contracts.contract import kinds
from lakehouse.io import checkpoint
from lakehouse.io.checkpoint import note_position
from lakehouse.io.delta import EPOCH, BatchTag, Positions, create_tables, open_table
from lakehouse.io.kafka import broker_ids
from lakehouse.io.terminal import console, fail, translated
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.driver import written_versions
from streaming_jobs.embedded.feed import after
from streaming_jobs.gold import runner
from streaming_jobs.repair.exchange import Scope
from streaming_jobs.repair.rebuild_gold import BatchEngine, gold_tables, rebuild_gold
from streaming_jobs.repair.rebuild_silver import Rebuilt, rebuild_silver_now
from streaming_jobs.startup import checks

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
WHAT = ("silver", "gold", "checkpoint")


def bronze_positions() -> Positions:
    """Next offset per topic and partition after the last record in bronze; those without any are left out."""
    return after(open_table("bronze.events").to_pyarrow_table(columns=["topic", "partition", "offset"]), {})


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
        BatchEngine | None,
        typer.Option(
            help="what computes it: Spark, of gold only tables whose contract is SQL, or this process"
        ),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="silver: events of this kind alone")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="silver: events that arrived on or after a UTC day"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="silver: list how many rows would change, and change nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="silver: the counts as JSON on stdout")] = False,
) -> None:
    """Compute tables again, or repair what keeps the stream from starting.

    For silver the stream may run: it waits between two batches while rows are exchanged, and gold follows.
    For gold the stack must be down. For checkpoint the broker must run and the stream must not: so it is
    after an `up` that the stream refused.
    """
    configure_logging(logging.WARNING)
    if fault := usage_fault(what, table, engine, kind, since is not None or dry_run or as_json):
        fail(fault, ExitCode.USAGE)
    try:
        if what == "silver":
            scope = Scope.of(kind, since.replace(tzinfo=UTC) if since else EPOCH)
            rebuild = on_spark if engine is BatchEngine.spark else rebuild_silver_now
            rebuilt = rebuild(scope, dry_run)
            if as_json:
                print(json.dumps(asdict(rebuilt), default=str))
                return
            for line in silver_lines(rebuilt, dry_run):
                print(line)
            return
        with ExitStack() as locks:
            locks.enter_context(checks.repair_lock())
            locks.enter_context(checks.lock())
            if what == "gold":
                locks.enter_context(runner.lock())
            create_tables()
            if what == "checkpoint":
                print(json.dumps(rebuild_checkpoint()))
            else:
                by = engine or BatchEngine.duckdb
                rebuild_gold([table] if table else gold_tables(by), by)
    except Refused as refusal:
        fail(str(refusal), ExitCode.REFUSED)
    if what == "checkpoint" and (unjudged := checks.count_unjudged()):
        console.print(
            f"{unjudged} records of bronze were never judged: run ./run.sh rebuild silver too", markup=False
        )


def on_spark(scope: Scope, dry_run: bool) -> Rebuilt:
    """`rebuild_silver_now`, judged by executors, whatever runs the stream."""
    take_knobs(knob_variables() | {"LUMBUNG_STREAM__ENGINE": "spark"})
    checks.refuse_unshared_lake()
    from streaming_jobs.spark import jobs  # seconds to import

    with jobs.batch_session() as spark:
        return rebuild_silver_now(scope, dry_run, partial(jobs.judge_again, spark))


def silver_lines(rebuilt: Rebuilt, dry_run: bool) -> Iterator[str]:
    """What a rebuild of silver has changed, or would change."""
    for difference in rebuilt.differences:
        part = f"{difference.table} {difference.part or ''}".rstrip()
        yield translated(f"{part}: {difference.new} rows come, {difference.gone} rows go")
    if dry_run:
        yield translated(f"{rebuilt.events} events judged again, nothing was changed")
    else:
        yield translated(f"{rebuilt.events} events judged again")


def usage_fault(
    what: str, table: str | None, engine: BatchEngine | None, kind: str | None, of_silver: bool
) -> str | None:
    """What is wrong with the arguments; None when they can be used."""
    if what not in WHAT:
        return f"'{what}' cannot be rebuilt: give silver, gold or checkpoint"
    if what != "silver" and (kind or of_silver):
        return "--kind, --from, --dry-run and --json are options of rebuild silver"
    if kind and kind not in kinds():
        return f"there is no kind '{kind}'; choose {', '.join(kinds())}"
    if engine and what == "checkpoint":
        return "--engine is an option of rebuild silver and rebuild gold"
    if what != "gold":
        return "--table is an option of rebuild gold" if table else None
    if not table or table in gold_tables(engine or BatchEngine.duckdb):
        return None
    if table in gold_tables():
        return f"{table} is not computed by SQL: leave out --engine spark"
    return f"{table} cannot be computed again; what can: {', '.join(gold_tables())}"
