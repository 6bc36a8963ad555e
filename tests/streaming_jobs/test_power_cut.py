"""What has to be on the disk before it counts: no test can cut the power, so these look at the order."""

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from lakehouse.io import checkpoint
from lakehouse.io.kafka import client_config
from streaming_jobs.batch import writer
from tests.conftest import Broker
from tests.streaming_jobs.conftest import Stream, price


def test_broker_flushes_a_record_before_it_acknowledges(broker: Broker):
    admin = AdminClient(client_config(broker.stack.bootstrap))
    ((_, described),) = admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]).items()
    assert described.result(10)["log.flush.interval.messages"].value == "1"


def test_tables_of_a_batch_are_on_the_disk_before_it_is_finished(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[int, int, list[int]]] = []
    flush = writer.flush_to_disk

    def noted(folder: str) -> None:
        flush(folder)
        seen.append((sum(stream.silver().values()), stream.balance()["rows_in"], finished()))

    def finished() -> list[int]:
        return checkpoint.finished_batches()

    monkeypatch.setattr(writer, "flush_to_disk", noted)
    stream.send(price("a"), price("b"))
    stream.run()
    assert seen == [(2, 2, [])] and finished() == [0]
