"""A peer: bytewax with a delta-rs sink, one worker. Parses and appends, at least once; no validation."""

import sys
from datetime import timedelta
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from deltalake import write_deltalake

from conf.settings import settings
from scripts.bench.peer_delta_rs import filled_partitions, rows

Record = tuple[str, int, int, bytes]  # topic, partition, offset, value


class DeltaSink(DynamicSink[list[Record]], StatelessSinkPartition[list[Record]]):
    """One Delta table at `target`; the only worker appends each collected batch in one commit."""

    def __init__(self, target: str) -> None:
        self._target = target

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "DeltaSink":
        return self

    def write_batch(self, items: list[list[Record]]) -> None:
        for records in items:
            write_deltalake(self._target, rows(records), mode="append")


def record_of(message: Any) -> Record:
    """What a message of bytewax's Kafka source holds."""
    return message.topic, message.partition, message.offset, message.value


def main(target: str) -> None:
    """Append every record in Kafka to the Delta table at `target`, then stop."""
    filled = list(dict.fromkeys(topic for topic, _ in filled_partitions()))
    flow = Dataflow("peer")
    source = KafkaSource([settings().kafka.bootstrap], filled, tail=False, batch_size=10_000)
    records = op.map("record", op.input("read", flow, source), record_of)
    size = settings().stream.max_events_per_batch
    keyed = op.key_on("key", records, lambda record: "all")
    batches = op.collect("collect", keyed, timeout=timedelta(seconds=10), max_size=size)
    op.output("write", op.map("values", batches, lambda batch: batch[1]), DeltaSink(target))
    run_main(flow)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(sys.argv[1])
