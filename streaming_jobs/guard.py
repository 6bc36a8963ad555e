"""One writer, and only on a checkpoint that agrees with the tables and with Kafka; every refusal names its remedy."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow.compute as pc
from confluent_kafka import Consumer, KafkaException, TopicPartition
from deltalake import DeltaTable

from conf.broker import QUIET
from conf.process import Refused, hold
from conf.settings import settings
from lakehouse.contract import contracts
from streaming_jobs import kafka_source
from streaming_jobs.delta_sink import forget_tables, open_table, path_of, tags_of


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what, whether it is well, what was seen, and the remedy."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def lock() -> IO[str]:
    """Hold the lock of the one stream until the process ends. Raises Refused with the holder's pid."""
    return hold("stream", "another stream writes these tables; stop it with ./run.sh down")


def rebuilding_file() -> Path:
    """There while a rebuild is under way: tables are incomplete."""
    return settings().state_dir / "rebuilding.json"


def findings() -> list[Finding]:
    """Checkpoint against tables against Kafka, up to the first that is not well. An empty lake is well."""
    checks: list[Finding] = []
    for look in (_checkpoint, _tables, _kafka):
        checks.append(look())
        if not checks[-1].ok:
            break
    return checks


def refuse_on_disagreement() -> None:
    """Raises Refused with every finding that is not well."""
    forget_tables()
    bad = [f"{found.name}: {found.detail}. Remedy: {found.remedy}" for found in findings() if not found.ok]
    if bad:
        raise Refused("\n".join(bad))


def _last_bronze() -> dict[str, object] | None:
    found = tags_of("bronze.events") if _exists("bronze.events") else []
    return found[0] if found else None


def _exists(table: str) -> bool:
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
        if continues_bronze() and not planned:
            return Finding(name, True, "new, continues after the last record in bronze")
        if last or planned:
            return Finding(name, False, "it is missing or lost its metadata, but the tables hold rows", remedy)
        return Finding(name, True, "none yet, and no rows")
    if last and last["stream"] != stream and not (continues_bronze() and not finished):
        return Finding(name, False, f"its id is {stream}, the tables were written by {last['stream']}", remedy)
    if last and last["stream"] == stream and (not planned or int(str(last["batch"])) > planned[-1]):
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


def continues_bronze() -> bool:
    """Whether `rebuild checkpoint` has noted where a new checkpoint begins: behind bronze as it stands, or where it began."""
    start, after = kafka_source.starting_offsets_file(), kafka_source.starting_after_file()
    if not start.exists() or not after.exists():
        return False
    if (kafka_source.checkpoint_dir() / "sources" / "0" / "0").exists():
        return kafka_source.first_offsets() == json.loads(start.read_text())
    return int(after.read_text()) == open_table("bronze.events").version()


def unjudged() -> int:
    """Records in bronze that no finished batch has counted, when no batch is under way."""
    planned, finished = kafka_source.planned_batches(), kafka_source.finished_batches()
    if planned and (not finished or planned[-1] > finished[-1]):
        return 0  # the batch is run again and counts them
    counted = pc.sum(open_table("gold.balance").to_pyarrow_table(columns=["rows_in"])["rows_in"]).as_py() or 0
    return int(open_table("bronze.events").count()) - counted


def _tables() -> Finding:
    """No table is behind what the last batch left, and every batch that the checkpoint calls done is in bronze."""
    name = "tables"
    if rebuilding_file().exists():
        return Finding(name, False, "a rebuild was not finished", "./run.sh rebuild silver")
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
    if left := unjudged():
        return Finding(name, False, f"{left} records in bronze are not in the balance", "./run.sh rebuild silver")
    return Finding(name, True, f"{len(contracts()) - len(missing)} tables agree with the last batch")


def kafka_bounds() -> dict[str, dict[str, tuple[int, int]]]:
    """First and next offset that Kafka holds, per topic and partition. Raises Refused when it does not answer."""
    reader = Consumer({"bootstrap.servers": settings().kafka.bootstrap, "group.id": "lumbung-doctor", **QUIET})
    try:
        there = reader.list_topics(timeout=5).topics
        return {
            topic: {str(p): reader.get_watermark_offsets(TopicPartition(topic, p), timeout=5) for p in there[topic].partitions}
            for topic in kafka_source.subscribed()
            if topic in there
        }
    except KafkaException as error:
        where = settings().kafka.bootstrap
        raise Refused(f"no answer from Kafka at {where} ({error.args[0].str()}): start it with ./run.sh up") from None
    finally:
        reader.close()


def _kafka() -> Finding:
    """Kafka still holds what the checkpoint goes on from."""
    name = "kafka"
    planned = kafka_source.planned_batches()
    if not planned:
        return Finding(name, True, "nothing read yet")
    remedy = "if the broker was wiped on purpose: ./run.sh rebuild checkpoint; else restore the broker's data"
    try:
        bounds = kafka_bounds()
    except Refused as refusal:
        return Finding(name, False, str(refusal), "./run.sh up")
    for topic, partitions in kafka_source.batch_offsets(planned[-1]).end.items():
        for partition, position in partitions.items():
            low, high = bounds.get(topic, {}).get(partition, (0, 0))
            if not low <= position <= high:
                where = f"{topic}/{partition} holds {low} to {high}"
                return Finding(name, False, f"the checkpoint stands at {position}, {where}", remedy)
    return Finding(name, True, "holds every record that the checkpoint goes on from")
