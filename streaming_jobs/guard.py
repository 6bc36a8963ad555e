"""One writer, and only on a checkpoint that agrees with the tables and with Kafka; every refusal names its remedy."""

import fcntl
import os
from dataclasses import dataclass
from typing import IO

from confluent_kafka import Consumer, KafkaException, TopicPartition

from conf.broker import QUIET
from conf.settings import settings
from lakehouse.contract import contracts
from streaming_jobs import kafka_source
from streaming_jobs.delta_sink import open_table, path_of, tags_of
from streaming_jobs.kafka_source import Positions


class Refused(Exception):
    """The stream must not start; the text says why and what to do."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what, whether it is well, what was seen, and the remedy."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.name, self.ok, self.detail, self.remedy))


def lock() -> IO[str]:
    """Hold the lock of the one writer until the process ends. Raises Refused with the holder's pid."""
    file = settings().state_dir / "stream.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = file.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        raise Refused(f"another stream writes these tables (pid {holder}); stop it with ./run.sh down") from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def findings() -> list[Finding]:
    """Checkpoint against tables against Kafka. An empty lake is well."""
    checks = [_checkpoint(), _tables()]
    if all(check.ok for check in checks):
        checks.append(_kafka())
    return checks


def refuse_on_disagreement() -> None:
    """Raises Refused with every finding that is not well."""
    bad = [f"{found.name}: {found.detail}. Remedy: {found.remedy}" for found in findings() if not found.ok]
    if bad:
        raise Refused("\n".join(bad))


def _last_bronze() -> dict[str, object] | None:
    found = tags_of("bronze.events") if _exists("bronze.events") else []
    return found[0] if found else None


def _exists(table: str) -> bool:
    from deltalake import DeltaTable

    return DeltaTable.is_deltatable(path_of(table))


def _checkpoint() -> Finding:
    """The checkpoint is there, whole, and the one that wrote the tables."""
    remedy = "./run.sh rebuild checkpoint (continues after the last record in bronze)"
    name = "checkpoint"
    last = _last_bronze()
    try:
        stream = kafka_source.stream_id()
    except ValueError:
        return Finding(name, False, "its metadata file cannot be read", remedy)
    planned, finished = kafka_source.planned_batches(), kafka_source.finished_batches()
    if stream is None:
        if last or planned:
            return Finding(name, False, "it is missing or lost its metadata, but the tables hold rows", remedy)
        return Finding(name, True, "none yet, and no rows")
    if last and last["stream"] != stream:
        return Finding(name, False, f"its id is {stream}, the tables were written by {last['stream']}", remedy)
    if last and (not planned or int(str(last["batch"])) > planned[-1]):
        return Finding(
            name, False, f"bronze holds batch {last['batch']}, the checkpoint plans none beyond {planned[-1:]}", remedy
        )
    if planned and (finished and finished[-1] > planned[-1] or planned[-1] - (finished[-1] if finished else -1) > 1):
        return Finding(name, False, f"batches planned up to {planned[-1]}, done up to {finished[-1:]}", remedy)
    try:
        if planned:
            kafka_source.batch_offsets(planned[-1])
    except (OSError, ValueError, IndexError, KeyError) as error:
        return Finding(name, False, f"the offsets of batch {planned[-1]} cannot be read ({type(error).__name__})", remedy)
    return Finding(name, True, f"{stream}, batch {planned[-1] if planned else 'none'}")


def _tables() -> Finding:
    """No table is behind what the last batch left, and every batch that the checkpoint calls done is in bronze."""
    name = "tables"
    missing = [table for table in contracts() if not _exists(table)]
    if len(missing) == len(contracts()):
        if kafka_source.finished_batches():
            return Finding(
                name,
                False,
                "all tables are gone, the checkpoint is not",
                "restore the lake from a backup, or delete the state folder to start anew from Kafka",
            )
        return Finding(name, True, "none yet")
    if "gold.balance" in missing or "bronze.events" in missing:
        return Finding(name, False, f"missing: {', '.join(missing)}", "./run.sh rebuild silver")
    done = tags_of("gold.balance")
    versions = done[0].get("versions", {}) if done else {}
    behind = [
        f"{table} (version {open_table(table).version() if table not in missing else 'none'}, was {was})"
        for table, was in versions.items()
        if table in missing or open_table(table).version() < was
    ]
    if behind:
        return Finding(name, False, f"behind the last batch: {', '.join(behind)}", "./run.sh rebuild silver")
    finished = kafka_source.finished_batches()
    last = _last_bronze()
    if finished and kafka_source.batch_offsets(finished[-1]).end != kafka_source.first_offsets() and last is None:
        return Finding(name, False, "bronze holds no batch, the checkpoint does", "./run.sh rebuild checkpoint")
    return Finding(name, True, f"{len(contracts()) - len(missing)} tables agree with the last batch")


def _kafka() -> Finding:
    """Kafka still holds what the checkpoint goes on from."""
    name = "kafka"
    planned = kafka_source.planned_batches()
    if not planned:
        return Finding(name, True, "nothing read yet")
    positions: Positions = kafka_source.batch_offsets(planned[-1]).end
    remedy = "if the broker was wiped on purpose: ./run.sh rebuild checkpoint; else restore the broker's data"
    reader = Consumer({"bootstrap.servers": settings().kafka.bootstrap, "group.id": "lumbung-doctor", **QUIET})
    try:
        for topic, partitions in positions.items():
            for partition, position in partitions.items():
                low, high = reader.get_watermark_offsets(TopicPartition(topic, int(partition)), timeout=5)
                if not low <= position <= high:
                    where = f"{topic}/{partition} holds {low} to {high}"
                    return Finding(name, False, f"the checkpoint stands at {position}, {where}", remedy)
    except KafkaException as error:
        return Finding(name, False, f"no answer from {settings().kafka.bootstrap}: {error.args[0].str()}", "./run.sh up")
    finally:
        reader.close()
    return Finding(name, True, "holds every record that the checkpoint goes on from")
