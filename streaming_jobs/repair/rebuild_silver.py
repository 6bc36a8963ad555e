"""Silver again from bronze, by today's rules: what differs is exchanged, while the stream runs.

All events are judged again into a lake of its own, below the root of the lake. Then the stream waits between
two batches, until the rows that have arrived meanwhile are judged too, and what differs is exchanged.
"""

import json
import logging
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import pyarrow.compute as pc
from deltalake._internal import DeltaFileSystemHandler
from rich.progress import track

from conf.runtime.failpoints import failpoint
from conf.runtime.process import Refused, turn
from conf.runtime.status_files import read_json, write_json
from conf.settings import knob_variables, settings, take_knobs
from lakehouse.contracts.contract import contracts, rule_set
from lakehouse.io import checkpoint
from lakehouse.io.delta import (
    EPOCH,
    BatchTag,
    append_rows,
    clear_cache,
    create_tables,
    empty_table,
    ensure_table,
    open_table,
    replace_rows,
    table_exists,
)
from lakehouse.io.delta_files import commit_files
from lakehouse.io.process_status import stream_status
from lakehouse.io.query import run_sql
from lakehouse.io.signing_keys import signing_keys
from lakehouse.io.table_files import faults, remedy_of
from lakehouse.io.terminal import console
from lakehouse.paths import REBUILD
from lakehouse.signatures import SigningKeys
from lakehouse.verdicts.rows import rules_of
from streaming_jobs.batch.batch_time import chunks
from streaming_jobs.batch.counts import balance_row, counts_by_kind, quality_rows
from streaming_jobs.batch.decisions import AppliedDecision, DecisionResolver, review_rows
from streaming_jobs.batch.driver import BATCH_TURN, files_by_table, judge_batch, written_versions
from streaming_jobs.batch.event_ids import CLASSIFIED
from streaming_jobs.batch.folded_gold import fold_again
from streaming_jobs.batch.judge import Known
from streaming_jobs.batch.place import Place, kind_of_place, places_of
from streaming_jobs.batch.place_memory import Memories, PlaceMemory, forget_saved
from streaming_jobs.batch.task import BatchTask, Written
from streaming_jobs.gold import runner
from streaming_jobs.gold.driver import BALANCE, QUARANTINE, TICK
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.repair.bronze_records import BronzeRecords, Tasks, counts_by_batch, ids_from_elsewhere
from streaming_jobs.repair.exchange import COUNTS, ChangedPart, Scope, differences, exchange, joined
from streaming_jobs.startup import checks
from streaming_jobs.startup.heal import start_over

log = logging.getLogger("lumbung.rebuild")
FEW_EVENTS = 1000  # are judged while the stream waits
REBUILT_STREAM = "rebuilt"  # stream id of batches whose own is no longer known


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild has judged, and what it has exchanged or would exchange."""

    events: int
    differences: list[ChangedPart]


@contextmanager
def written_again() -> Iterator[None]:
    """In the block the lake of this process is the one whose silver is written again."""
    knobs = knob_variables()
    take_knobs(knobs | {"LUMBUNG_LAKE__ROOT": settings().lake_root + REBUILD})
    try:
        yield
    finally:
        take_knobs(knobs)


def remove_written_again() -> None:
    """Delete that lake."""
    clear_cache()
    with written_again():
        forget_saved()
    root = settings().lake_root + REBUILD
    if "://" in root:
        DeltaFileSystemHandler(root).delete_dir_contents("", accept_root_dir=True, missing_dir_ok=True)
    else:
        shutil.rmtree(root, ignore_errors=True)


def noted_state() -> dict[str, Any]:
    """What the tables know of batches, or as an unfinished rebuild of damaged tables has noted it.

    `batches`: batch time -> [stream id, batch number], from the balance. `newest`: tag of the newest batch.
    """
    if noted := read_json(checks.rebuilding_file()):
        state: dict[str, Any] = noted
        return state
    readable = table_exists(BALANCE) and not faults(BALANCE, deep=True)
    newest = checkpoint.newest_batch() if readable else checkpoint.newest_tag("bronze.events")
    batches: dict[str, list[Any]] = {}
    if readable:
        balance = open_table(BALANCE).to_pyarrow_table(columns=["ingested_at", "stream_id", "batch_id"])
        rows = balance.to_pylist()
        batches = {row["ingested_at"].isoformat(): [row["stream_id"], row["batch_id"]] for row in rows}
    if newest and newest.time:  # it may be under way, and is judged here with the others
        batches.setdefault(newest.time.isoformat(), [newest.stream_id, newest.batch_id])
    return {"batches": batches, "newest": json.loads(newest.text()) if newest else None}


def start_over_damaged() -> None:
    """Make every table that is rebuilt writable again. Raises Refused when bronze is damaged."""
    if problems := faults("bronze.events"):
        raise Refused(f"bronze.events: {'; '.join(problems[:3])}. Remedy: {remedy_of('bronze.events')}")
    rebuilt = [contract.table for contract in contracts().values() if not contract.kept_by_rebuild]
    damaged = [table for table in rebuilt if faults(table)]
    if damaged:
        write_json(checks.rebuilding_file(), noted_state())  # the balance may be one of them
    for table in damaged:
        start_over(table)
    if BALANCE in damaged and COUNTS not in damaged:  # its rows name batches of the balance
        start_over(COUNTS)


class Rebuild:
    """Judges events of bronze again, and writes their rows into the lake written again."""

    def __init__(self, scope: Scope, keys: SigningKeys, tasks: Tasks | None) -> None:
        """Prepare that lake, and save what is known before the first of the events. `tasks`: of Spark."""
        self.scope = scope
        self._keys = keys
        self._tasks = tasks
        self._run = uuid.uuid4().hex
        self._decisions = DecisionResolver(scope.kinds)
        self._batches: dict[str, list[Any]] = {}
        self._last = scope.since - TICK
        self._newest: dict[Place, datetime] = {}
        self._parts = 0
        known = list(self._known())
        if known and tasks and settings().stream.on_cluster and "://" in settings().lake_root:
            raise Refused(
                "executors do not share what is known of earlier events, or of ids in two partitions, with a "
                "lake on an object store: leave out --engine spark"
            )
        remove_written_again()
        with written_again():
            for table in scope.tables:
                ensure_table(table)
            memories = Memories({"rebuild": self._run})
            for memory in known:
                memories.save(memory)
        if scope.since > EPOCH:
            self._decisions.load(scope.since)
            self._copy_quarantined(pc.field("quarantined_at") < scope.since)

    def judge_new(self, upto: datetime | None) -> int:
        """Judge the batches since the last call up to that time; returns the number of events."""
        self._batches = noted_state()["batches"]
        bronze = open_table("bronze.events").to_pyarrow_dataset().filter(self._new(upto))
        counts = counts_by_batch(bronze)
        if not counts:
            return 0
        last = counts[-1][0]
        others = ~pc.field("kind").isin(self.scope.kinds)
        time = pc.field("quarantined_at")
        self._copy_quarantined(others & (time >= counts[0][0]) & (time <= last))
        groups = list(chunks(counts, settings().stream.max_events_per_batch))
        with written_again():
            for times in track(groups, "rebuild silver", console=console):
                self._judge(BronzeRecords(bronze, times, self._tasks), tuple(times))
        self.scope = replace(self.scope, upto=last)
        return sum(events for _, events, _ in counts)

    def _new(self, upto: datetime | None) -> pc.Expression:
        time = pc.field("ingested_at")
        new = (time >= self.scope.since) & (time > self.scope.upto) & pc.field("kind").isin(self.scope.kinds)
        return new if upto is None else new & (time <= upto)

    def _known(self) -> Iterator[PlaceMemory]:
        """What places know before the first of the events: also ids that came in another partition before."""
        bronze = open_table("bronze.events").to_pyarrow_dataset()
        of_kinds = bronze.filter(pc.field("kind").isin(self.scope.kinds))
        elsewhere = ids_from_elsewhere(of_kinds)
        places = set(elsewhere)
        if self.scope.since > EPOCH:
            places |= set(
                places_of(run_sql("select distinct topic, partition from rows", {"rows": of_kinds}))
            )
        for place in places:
            kind = kind_of_place(place)
            memory = PlaceMemory(place, Known.nothing(kind), upto=self._last)
            if self.scope.since > EPOCH:
                memory.upto = None
                memory.catch_up(self.scope.since)
                memory.upto = self._last
            if (rows := elsewhere.get(place)) and memory.known.ids is not None:
                memory.known.ids.classify(kind, *(rows[name].to_pylist() for name in CLASSIFIED))
            yield memory

    def _copy_quarantined(self, rows: pc.Expression) -> None:
        """Copy rows of the quarantine that are not written again: decisions may be about them."""
        copied = open_table(QUARANTINE).to_pyarrow_dataset().to_table(filter=rows)
        if copied.num_rows:
            with written_again():
                append_rows(QUARANTINE, copied)

    def _tag(self, time: datetime) -> BatchTag:
        stream, number = self._batches.get(time.isoformat(), [REBUILT_STREAM, -1])
        return BatchTag(stream, number)

    def _judge(self, records: BronzeRecords, times: tuple[datetime, ...]) -> None:
        """Judge and write the batches of these times."""
        task = BatchTask(
            self._run,
            {"rebuild": self._run},
            times,
            self._last,
            self._newest,
            environment=knob_variables(),
            is_durable=settings().stream.on_cluster,
            is_again=True,
        )
        written, applied = judge_batch(records, task, records.topics, self._decisions, self._keys)
        self._parts += 1
        for table, files in files_by_table(written).items():
            commit_files(table, files, BatchTag(self._run, self._parts))
        self._count(written, applied, times)
        self._last = times[-1]
        self._newest |= dict.fromkeys([place for part in written for place in part.places], times[-1])

    def _count(
        self, written: Sequence[Written], applied: list[AppliedDecision], times: tuple[datetime, ...]
    ) -> None:
        """Counts per batch, as the stream writes them."""
        knobs = settings().rule_values()
        quality: list[dict[str, Any]] = []
        balance: list[dict[str, Any]] = []
        for time in times:
            tag = self._tag(time)
            for counts in counts_by_kind(part.counts[time] for part in written if time in part.counts):
                quality += quality_rows(counts, rules_of(counts.kind, knobs), rule_set(knobs), tag)
                balance.append(balance_row(counts, tag, time))
        landed = {event: lands for part in written for event, lands in part.landed.items()}
        reviews = review_rows(applied, landed)
        for table, rows in ((COUNTS, quality), ("gold.reviews", reviews), (BALANCE, balance)):
            if rows:
                append_rows(table, rows)


def rebuild_silver_now(scope: Scope, dry_run: bool, tasks: Tasks | None = None) -> Rebuilt:
    """`rebuild_silver`, with or without a stream that runs. Raises Refused when it cannot be done now.

    Without it, damaged tables are written again, and gold is refreshed unless a process does that.
    """
    with ExitStack() as locks:
        locks.enter_context(checks.repair_lock())  # the lock of the stream then is the stream's
        stream_runs = not _held(locks, checks.lock)
        if stream_runs:
            refuse_other_rules()
        if stream_runs or dry_run:
            refuse_damaged(scope)
        else:
            start_over_damaged()
        if checks.rebuilding_file().exists() and not scope.is_everything:
            raise Refused("tables are incomplete: run ./run.sh rebuild silver without --kind and --from")
        create_tables()
        rebuilt = rebuild_silver(scope, dry_run, stream_runs, tasks)
        if not dry_run and not stream_runs and _held(locks, runner.lock):
            refresh_gold()
    return rebuilt


def _held(locks: ExitStack, lock: Callable[[], IO[str]]) -> bool:
    """Whether no other process has the lock; it is then held until `locks` ends."""
    try:
        locks.enter_context(lock())
    except Refused:
        return False
    return True


def refuse_other_rules() -> None:
    """Raises Refused when the stream that runs has begun with other rules: it would go on with them."""
    status = stream_status()
    if not status or status.get("rule_set") != rule_set(settings().rule_values()):
        raise Refused("the stream runs with other rules: ./run.sh down, ./run.sh up, then run this again")


def refuse_damaged(scope: Scope) -> None:
    """Raises Refused when a table cannot be compared."""
    if damaged := [table for table in scope.tables if faults(table)]:
        raise Refused(f"damaged: {', '.join(damaged)}. Remedy: ./run.sh down, then ./run.sh rebuild silver")


def rebuild_silver(scope: Scope, dry_run: bool, stream_runs: bool, tasks: Tasks | None) -> Rebuilt:
    """Judge events again, on executors if `tasks` are given, and exchange what differs.

    Killed before the exchange it has changed nothing. Killed in it, the stream does not start until it has
    run again. Raises Refused when signatures cannot be verified, or when a batch was interrupted.
    """
    try:
        rebuild = Rebuild(scope, signing_keys(), tasks)
        events = 0
        changed: list[ChangedPart] = []
        if stream_runs:
            events = judge_while_it_runs(rebuild)
            changed = differences(rebuild.scope)
            if dry_run:
                return Rebuilt(events, changed)
        failpoint("rebuild.before_turn")
        with turn(BATCH_TURN):
            if stream_runs:
                refuse_other_rules()  # it may have started again
                if checkpoint.batch_under_way():
                    raise Refused("a batch was interrupted: run this again when the stream has finished it")
            since = max(scope.since, rebuild.scope.upto + timedelta(microseconds=1))
            events += rebuild.judge_new(None)
            changed = joined([*changed, *differences(replace(rebuild.scope, since=since))])
            if not dry_run:
                exchange_all(changed, rebuild.scope, stream_runs)
        return Rebuilt(events, changed)
    finally:
        remove_written_again()


def judge_while_it_runs(rebuild: Rebuild) -> int:
    """Judge what finished batches hold, until few events are left or they grow fewer no more."""
    counts: list[int] = []
    while len(counts) < 2 or FEW_EVENTS < counts[-1] <= counts[-2] / 2:
        finished = checkpoint.finished_batch()
        counts.append(rebuild.judge_new(finished.time if finished else EPOCH))
    return sum(counts)


def exchange_all(changed: list[ChangedPart], scope: Scope, stream_runs: bool) -> None:
    """Exchange the parts that differ, and compute gold that the stream folds in again, the balance last.

    Without another process that refreshes gold, gold is brought up to date too; all of it is computed again
    after a rebuild of everything.
    """
    state = noted_state()
    newest = BatchTag.of(state["newest"]) if state["newest"] else None
    is_repair = scope.is_everything and not stream_runs
    file = checks.rebuilding_file()
    if not (changed or is_repair or file.exists() or checkpoint.batch_under_way()):
        return
    if not file.exists():
        write_json(file, {})
    rebuilt = (datetime.now(UTC) - EPOCH) // timedelta(microseconds=1)
    tag = replace(newest, offsets={}).text() if newest else "{}"
    for difference in changed:
        if difference.table != BALANCE:
            exchange(difference, scope, newest, rebuilt, tag)
            failpoint("rebuild.after_exchange")
    if is_repair:
        for contract in contracts().values():
            if contract.refreshed in ("seconds", "background") and not contract.kept_by_rebuild:
                empty_table(contract.table)
    fold_again(scope.tables if is_repair else {difference.table for difference in changed})
    if newest:
        tag = newest.text(versions=written_versions())
        for difference in changed:
            if difference.table == BALANCE:
                exchange(difference, scope, newest, rebuilt, tag)
        replace_rows(BALANCE, [], tag, "false", batch=newest, rebuilt=rebuilt)  # also when it does not differ
    forget_saved()
    file.unlink()


def refresh_gold() -> None:
    """Bring gold of seconds and of background up to date, in this process."""
    IncrementalGold(1).refresh()
    runner.BackgroundJobs(runner.make_jobs(), threading.Event()).round()
