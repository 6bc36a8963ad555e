"""The lag counts the events that no finished batch covers, also while a batch runs."""

from pathlib import Path

import pytest

from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.io.delta import BatchTag, append_rows, ensure_table
from lakehouse.io.process_status import STREAM, status_file
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.snapshots import Snapshots
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.waiting import eventually

EVENT = b'{"market_id": "PASAR-001", "commodity": "garam", "price": 11500}'
LIVE = "/api/public/commodity/price/live?commodity=garam"


def finish(number: int, offsets: dict[str, dict[str, int]]) -> None:
    """The commit that finishes a batch."""
    append_rows("gold.balance", [], BatchTag("stream", number, offsets).text())


def offsets_of(broker: Broker) -> dict[str, dict[str, int]]:
    """The next offset of every partition."""
    offsets: dict[str, dict[str, int]] = {}
    for (topic, partition), end in broker.ends().items():
        offsets.setdefault(topic, {})[str(partition)] = end
    return offsets


def test_lag_grows_while_a_batch_runs(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = new_stack(tmp_path, broker)
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    ensure_table("gold.balance")
    own = Api(stack)
    now = [0.0]
    own.shared(KafkaLag).clock = lambda: now[0]

    def waiting() -> float:
        lines = own.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith("lumbung_kafka_lag ")).split()[1])

    def lag_seconds() -> float | None:
        lag: float | None = own.get(LIVE).json()["meta"]["lag_seconds"]
        return lag

    try:
        finish(0, offsets_of(broker))
        eventually(lambda: waiting() == 0 and lag_seconds() == 0)
        for _ in range(3):
            assert own.post("/ingest", EVENT).status_code == 202
        eventually(lambda: waiting() == 3)
        status = {"lag_events": 0, "state": "running", "batch_id": 0}
        write_status(status_file(STREAM, tmp_path / "state"), status)
        eventually(lambda: own.shared(Snapshots).stream)
        now[0] = 3.5
        assert lag_seconds() == 3.5, "the batch runs, whatever the stream reports"
        finish(1, offsets_of(broker))
        eventually(lambda: waiting() == 0 and lag_seconds() == 0)
    finally:
        own.stop()


def test_thread_reads_no_settings(broker: Broker, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs for as long as the API, whatever the settings are by then."""
    monkeypatch.setenv("LUMBUNG_KAFKA__BOOTSTRAP", broker.stack.bootstrap)
    settings.cache_clear()
    lag = KafkaLag()
    monkeypatch.setenv("LUMBUNG_API__PORT", "x")
    settings.cache_clear()
    lag.start()
    try:
        eventually(lambda: lag.events is not None)
    finally:
        lag.stop()
