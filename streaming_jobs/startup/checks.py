"""Checks before the stream starts: one writer, and a checkpoint that agrees with tables and Kafka."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import pyarrow.compute as pc
from confluent_kafka import KafkaException
from deltalake.exceptions import DeltaError

from conf.runtime.process import Refused, hold
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io import checkpoint
from lakehouse.io.delta import clear_cache, open_table, table_exists, tags_of
from lakehouse.io.kafka import broker_ids, partition_bounds
from lakehouse.io.table_files import faults, remedy_of
from streaming_jobs.batch import kafka_source
from streaming_jobs.flows import appended, refreshed

Answer = TypeVar("Answer")


NEW_PARTITIONS = (
    "create the topic again with as many as before, or ./run.sh rebuild checkpoint to go on with the new "
    "number: a series whose partition is another one is then compared with its later events only"
)


class KafkaUnavailable(Refused):
    """Kafka does not answer now, which is no disagreement: the same check may pass a moment later."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: its name, whether it passed, the details, and the remedy if it did not."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    may_pass_later: bool = False


def lock() -> IO[str]:
    """Hold the lock of the one stream until the process ends. Raises Refused with the holder's pid."""
    return hold("stream", "another stream writes these tables; stop it with ./run.sh down")


def refuse_unshared_lake() -> None:
    """Raises Refused when executors would write files where no other machine reads them."""
    knobs = settings()
    if knobs.stream.on_cluster and "://" not in knobs.lake_root and not knobs.lake.shared_path:
        raise Refused(
            f"stream.master is {knobs.stream.master}, but the lake {knobs.lake_root} is a folder of this "
            "machine: set lake.root to an object store, or to a folder that all executors have at the same "
            "path, with lake.shared_path: true"
        )


def rebuilding_file() -> Path:
    """Exists while a rebuild is under way: tables are incomplete."""
    return settings().state_dir / "rebuilding.json"


def findings() -> list[Finding]:
    """Files of the tables, then checkpoint against tables against Kafka, up to the first check that fails.

    An empty lake passes.
    """
    outcomes: list[Finding] = []
    for check in (_check_files, _check_checkpoint, _check_tables, _check_kafka):
        try:
            outcomes.append(check())
        except KafkaUnavailable as absence:
            outcomes.append(Finding("kafka", False, str(absence), "./run.sh up", may_pass_later=True))
        except (DeltaError, OSError, ValueError) as error:
            detail = f"a table cannot be read ({str(error).partition(chr(10))[0][:200]})"
            remedy = "./run.sh doctor --deep names the file and its remedy"
            outcomes.append(Finding("files", False, detail, remedy))
        if not outcomes[-1].ok:
            break
    return outcomes


def refuse_on_disagreement() -> None:
    """Raises Refused with every finding that failed; KafkaUnavailable when a restart may pass."""
    clear_cache()
    failed = [finding for finding in findings() if not finding.ok]
    if failed:
        refusal = KafkaUnavailable if all(finding.may_pass_later for finding in failed) else Refused
        raise refusal(
            "\n".join(f"{finding.name}: {finding.detail}. Remedy: {finding.remedy}" for finding in failed)
        )


def _last_bronze_tag() -> dict[str, object] | None:
    tags = tags_of("bronze.events") if table_exists("bronze.events") else []
    return tags[0] if tags else None


def _check_files() -> Finding:
    """The log of every table that a batch writes can be read, and no data file is missing or cut."""
    name = "files"
    finished = not checkpoint.batch_under_way()  # else a power cut may have taken its commits: it runs again
    for table in (*appended(), *refreshed("batch")):
        if problems := faults(table, lag=finished):
            return Finding(name, False, f"{table}: {'; '.join(problems[:3])}", remedy_of(table))
    return Finding(name, True, "complete")


def _check_checkpoint() -> Finding:
    """The checkpoint exists, is complete, and is the one that wrote the tables."""
    passed, failed = partial(Finding, "checkpoint", True), partial(Finding, "checkpoint", False)
    remedy = "./run.sh rebuild checkpoint (continues after the last record in bronze)"
    last = _last_bronze_tag()
    try:
        stream = checkpoint.stream_id()
    except ValueError:
        return failed("its metadata file cannot be read", remedy)
    planned = checkpoint.planned_batches()
    finished = checkpoint.finished_batches()
    if stream is None:
        if continues_bronze() and not planned:
            return passed("new, continues after the last record in bronze")
        if last or planned:
            return failed("it is missing or lost its metadata, but the tables hold rows", remedy)
        return passed("none yet, and no rows")
    if last and last["stream"] != stream and not (continues_bronze() and not finished):
        return failed(f"its id is {stream}, the tables were written by {last['stream']}", remedy)
    if last and last["stream"] == stream and (not planned or int(str(last["batch"])) > planned[-1]):
        return failed(
            f"bronze holds batch {last['batch']}, the checkpoint plans none after {planned[-1:]}", remedy
        )
    if planned and (
        finished and finished[-1] > planned[-1] or planned[-1] - (finished[-1] if finished else -1) > 1
    ):
        return failed(f"batches planned up to {planned[-1]}, done up to {finished[-1:]}", remedy)
    try:
        if planned:
            checkpoint.batch_offsets(planned[-1])
    except (OSError, ValueError, IndexError, KeyError) as error:
        return failed(f"the offsets of batch {planned[-1]} cannot be read ({type(error).__name__})", remedy)
    return passed(f"{stream}, batch {planned[-1] if planned else 'none'}")


def continues_bronze() -> bool:
    """Whether `rebuild checkpoint` noted where the new checkpoint begins: right after the current bronze.

    Once the source has begun: whether it began there.
    """
    start = kafka_source.starting_offsets_file()
    after = kafka_source.starting_after_file()
    if not start.exists() or not after.exists():
        return False
    if checkpoint.source_has_begun():
        return bool(checkpoint.first_offsets() == json.loads(start.read_text()))
    return int(after.read_text()) == open_table("bronze.events").version()


def count_unjudged() -> int:
    """Records in bronze that no finished batch has counted, when no batch is under way."""
    planned = checkpoint.planned_batches()
    finished = checkpoint.finished_batches()
    if planned and (not finished or planned[-1] > finished[-1]):
        return 0  # the batch is run again and counts them
    counted = pc.sum(open_table("gold.balance").to_pyarrow_table(columns=["rows_in"])["rows_in"]).as_py() or 0
    return int(open_table("bronze.events").count()) - counted


def check_presence() -> Finding:
    """Tables exist when the checkpoint has finished a batch."""
    missing = [table for table in contracts() if not table_exists(table)]
    if len(missing) == len(contracts()) and checkpoint.finished_batches():
        return Finding(
            "tables",
            False,
            f"all tables are gone, the checkpoint is not: no table in {settings().lake_root}",
            "restore the lake from a backup, or set lake.root to its folder; "
            "./run.sh rebuild checkpoint begins again with what Kafka holds",
        )
    return Finding("tables", True, f"{len(contracts()) - len(missing)} tables")


def _check_tables() -> Finding:
    """No table is behind the last batch, and bronze holds every batch that the checkpoint calls done."""
    passed, failed = partial(Finding, "tables", True), partial(Finding, "tables", False)
    if rebuilding_file().exists():
        return failed("a rebuild was not finished", "./run.sh rebuild silver")
    missing = [table for table in contracts() if not table_exists(table)]
    if len(missing) == len(contracts()):
        presence = check_presence()
        return passed("none yet") if presence.ok else presence
    if "gold.balance" in missing or "bronze.events" in missing:
        return failed(f"missing: {', '.join(missing)}", "./run.sh rebuild silver")
    tags = tags_of("gold.balance")
    versions = tags[0].get("versions", {}) if tags else {}
    behind = [
        f"{table} (version {open_table(table).version() if table not in missing else 'none'}, was {was})"
        for table, was in versions.items()
        if table in missing or open_table(table).version() < was
    ]
    if behind:
        remedy = remedy_of("bronze.events" if behind[0].startswith("bronze.events") else "silver.quarantine")
        return failed(f"behind the last batch: {', '.join(behind)}", remedy)
    if _finished_records() and _last_bronze_tag() is None:
        return failed("bronze holds no batch, the checkpoint does", "./run.sh rebuild checkpoint")
    if unjudged := count_unjudged():
        return failed(f"{unjudged} records in bronze are not in the balance", "./run.sh rebuild silver")
    return passed(f"{len(contracts()) - len(missing)} tables agree with the last batch")


def _finished_records() -> bool:
    """Whether a finished batch has read any record."""
    finished = checkpoint.finished_batches()
    return bool(finished) and checkpoint.batch_offsets(finished[-1]).end != checkpoint.first_offsets()


def kafka_bounds() -> dict[str, dict[str, tuple[int, int]]]:
    """First and next offset that Kafka holds, per topic and partition. Raises KafkaUnavailable."""
    return _answer(partition_bounds)


def _answer(question: Callable[[Sequence[str]], Answer]) -> Answer:
    """Kafka's answer about the subscribed topics. Raises KafkaUnavailable."""
    try:
        return question(checkpoint.subscribed())
    except KafkaException as error:
        raise KafkaUnavailable(
            f"no answer from Kafka at {settings().kafka.bootstrap} ({error.args[0].str()}): "
            "start it with ./run.sh up"
        ) from None


def _check_kafka() -> Finding:
    """Kafka is the one that was read, and still holds the records that the checkpoint continues with."""
    name = "kafka"
    planned = checkpoint.planned_batches()
    if not planned:
        return Finding(name, True, "nothing read yet")
    remedy = "if the broker was wiped on purpose: ./run.sh rebuild checkpoint; else restore the broker's data"
    bounds = kafka_bounds()
    if message := kafka_source.replaced(checkpoint.stream_id() or "", _answer(broker_ids)):
        return Finding(name, False, message, remedy)
    counts = {topic: len(partitions) for topic, partitions in bounds.items()}
    if message := kafka_source.other_partitions(checkpoint.stream_id() or "", counts):
        return Finding(name, False, message, NEW_PARTITIONS)
    for topic, partitions in checkpoint.batch_offsets(planned[-1]).end.items():
        for partition, position in partitions.items():
            low, high = bounds.get(topic, {}).get(partition, (0, 0))
            if not low <= position <= high:
                held = f"{topic}/{partition} holds {low} to {high}"
                return Finding(name, False, f"the checkpoint is at {position}, {held}", remedy)
    return Finding(name, True, "holds every record that the checkpoint continues with")
