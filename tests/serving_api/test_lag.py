"""The lag counts the events that no finished batch covers, also while a batch runs."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from conf.runtime.status_files import write_status
from lakehouse.io.checkpoint import checkpoint_dir
from lakehouse.io.process_status import STREAM, status_file
from tests.conftest import Broker
from tests.support.api import Api, new_stack

EVENT = b'{"market_id": "PASAR-001", "commodity": "garam", "price": 11500}'
LIVE = "/api/public/commodity/price/live?commodity=garam"


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def batch(state_dir: Path, number: int, offsets: dict[str, dict[str, int]], is_finished: bool) -> None:
    """What Spark's checkpoint notes of a batch before it runs and after it."""
    checkpoint = checkpoint_dir(state_dir)
    for folder in ("offsets", "commits"):
        (checkpoint / folder).mkdir(parents=True, exist_ok=True)
    lines = ["v1", json.dumps({"batchTimestampMs": 0}), json.dumps(offsets)]
    (checkpoint / "offsets" / str(number)).write_text("\n".join(lines))
    if is_finished:
        (checkpoint / "commits" / str(number)).write_text("v1\n{}")


def offsets_of(broker: Broker) -> dict[str, dict[str, int]]:
    """The next offset of every partition, as Spark notes them."""
    offsets: dict[str, dict[str, int]] = {}
    for (topic, partition), end in broker.ends().items():
        offsets.setdefault(topic, {})[str(partition)] = end
    return offsets


def test_lag_grows_while_a_batch_runs(broker: Broker, tmp_path: Path) -> None:
    stack = new_stack(tmp_path, broker)
    own = Api(stack)

    def waiting() -> float:
        lines = own.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith("lumbung_kafka_lag ")).split()[1])

    def lag_seconds() -> float | None:
        lag: float | None = own.get(LIVE).json()["meta"]["lag_seconds"]
        return lag

    try:
        state_dir = tmp_path / "state"
        batch(state_dir, 0, offsets_of(broker), is_finished=True)
        wait_for(lambda: waiting() == 0, "the finished batch is not counted")
        assert lag_seconds() is not None
        caught_up_before = time.monotonic()
        for _ in range(3):
            assert own.post("/ingest", EVENT).status_code == 202
        batch(state_dir, 1, offsets_of(broker), is_finished=False)
        wait_for(lambda: waiting() == 3, "a planned batch counts as done")
        first = lag_seconds()
        status = {"lag_events": 0, "state": "running", "batch_id": 0}
        write_status(status_file(STREAM, state_dir), status)
        time.sleep(3)
        second = lag_seconds()
        assert first is not None and second is not None and second >= first + 3
        batch(state_dir, 1, offsets_of(broker), is_finished=True)
        wait_for(lambda: waiting() == 0, "the end of the batch is not noticed")
        assert lag_seconds() < time.monotonic() - caught_up_before
    finally:
        own.stop()
