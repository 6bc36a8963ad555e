"""Checks before the stream starts: one writer, and tables that agree with each other and with Kafka."""

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
from lakehouse.io.kafka import broker_ids, partition_bounds, subscribed
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


def repair_lock() -> IO[str]:
    """Hold the lock of the one repair of tables. Raises Refused with the holder's pid."""
    return hold("repair", "another rebuild or compact runs; wait until it has ended")


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
    """Files of the tables, then tables against each other and Kafka, up to the first check that fails.

    An empty lake passes.
    """
    outcomes: list[Finding] = []
    for check in (_check_files, _check_tables, _check_checkpoint, _check_kafka):
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


def _check_files() -> Finding:
    """The log of every table that a batch writes can be read, and no data file is missing or cut."""
    name = "files"
    lag = not _may_be_under_way()  # else a power cut may have taken its commits: it runs again
    for table in (*appended(), *refreshed("batch")):
        if problems := faults(table, lag=lag):
            return Finding(name, False, f"{table}: {'; '.join(problems[:3])}", remedy_of(table))
    return Finding(name, True, "complete")


def _may_be_under_way() -> bool:
    """Whether a batch is under way; also when the log that would show it cannot be read."""
    try:
        return checkpoint.batch_under_way() is not None
    except (DeltaError, OSError, ValueError):
        return True


def _check_checkpoint() -> Finding:
    """The newest commits note up to where Kafka has been read."""
    name = "checkpoint"
    if finished := checkpoint.finished_batch():
        number = finished.batch_id if finished.batch_id >= 0 else "none"
        return Finding(name, True, f"{finished.stream_id}, batch {number}")
    if table_exists("bronze.events") and open_table("bronze.events").count():
        detail = "no commit of gold.balance notes an offset, but bronze holds records"
        remedy = "./run.sh rebuild checkpoint (continues after the last record in bronze)"
        return Finding(name, False, detail, remedy)
    return Finding(name, True, "none yet, and no rows")


def count_unjudged() -> int:
    """Records in bronze that no finished batch has counted, when no batch is under way."""
    if checkpoint.batch_under_way():
        return 0  # it is run again and counts them
    counted = pc.sum(open_table("gold.balance").to_pyarrow_table(columns=["rows_in"])["rows_in"]).as_py() or 0
    return int(open_table("bronze.events").count()) - counted


def check_presence() -> Finding:
    """Tables exist when the stream has begun: then the ids of Kafka are noted outside of the lake."""
    missing = [table for table in contracts() if not table_exists(table)]
    if len(missing) == len(contracts()) and kafka_source.noted_ids_file().exists():
        return Finding(
            "tables",
            False,
            f"all tables are gone: no table in {settings().lake_root}, where the stream has written before",
            "restore the lake from a backup, or set lake.root to its folder; "
            "./run.sh rebuild checkpoint begins again with what Kafka holds",
        )
    return Finding("tables", True, f"{len(contracts()) - len(missing)} tables")


def _check_tables() -> Finding:
    """No table is behind the last batch, and the balance counts every record of bronze."""
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
    if unjudged := count_unjudged():
        return failed(f"{unjudged} records in bronze are not in the balance", "./run.sh rebuild silver")
    return passed(f"{len(contracts()) - len(missing)} tables agree with the last batch")


def kafka_bounds() -> dict[str, dict[str, tuple[int, int]]]:
    """First and next offset that Kafka holds, per topic and partition. Raises KafkaUnavailable."""
    return _answer(partition_bounds)


def _answer(question: Callable[[Sequence[str]], Answer]) -> Answer:
    """Kafka's answer about the subscribed topics. Raises KafkaUnavailable."""
    try:
        return question(subscribed())
    except KafkaException as error:
        raise KafkaUnavailable(
            f"no answer from Kafka at {settings().kafka.bootstrap} ({error.args[0].str()}): "
            "start it with ./run.sh up"
        ) from None


def _check_kafka() -> Finding:
    """Kafka is the one that was read, and still holds the records that the stream continues with."""
    name = "kafka"
    finished = checkpoint.finished_batch()
    if finished is None:
        return Finding(name, True, "nothing read yet")
    remedy = "if the broker was wiped on purpose: ./run.sh rebuild checkpoint; else restore the broker's data"
    bounds = kafka_bounds()
    if message := kafka_source.replaced(finished.stream_id, _answer(broker_ids)):
        return Finding(name, False, message, remedy)
    if message := kafka_source.other_partitions(finished.offsets, bounds):
        return Finding(name, False, message, NEW_PARTITIONS)
    for topic in bounds.keys() & finished.offsets.keys():
        for partition, position in finished.offsets[topic].items():
            low, high = bounds[topic].get(partition, (0, 0))
            if not low <= position <= high:
                held = f"{topic}/{partition} holds {low} to {high}"
                return Finding(name, False, f"the checkpoint is at {position}, {held}", remedy)
    return Finding(name, True, "holds every record that the checkpoint continues with")
