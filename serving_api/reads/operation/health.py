"""The state of this service and of what it depends on: version, Kafka, the stream."""

import time
from datetime import UTC, datetime
from typing import Literal

from anyio.to_thread import run_sync

from lakehouse.io.kafka import AcknowledgedProducer
from lakehouse.io.process_status import (
    background_gold_status,
    failed_gold_jobs,
    stream_failure,
    training_faults,
)
from serving_api.reads.snapshots import Snapshots

VERSION = "0.1.0"  # of the product, as in pyproject.toml
PIPELINE_SILENT_SECONDS = 30  # the stream reports its state every 2 s; a long batch may delay it
KAFKA_PROBE_VALID_SECONDS = 5.0


class KafkaProbe:
    """Whether the broker responds; a positive result is valid for some seconds."""

    def __init__(self, producer: AcknowledgedProducer) -> None:
        self._producer = producer
        self._probed_at = -1e9
        self._reachable = False

    async def reachable(self) -> bool:
        """The newest result."""
        if not self._reachable or time.monotonic() - self._probed_at > KAFKA_PROBE_VALID_SECONDS:
            self._reachable = await run_sync(self._producer.reachable)
            self._probed_at = time.monotonic()
        return self._reachable


def pipeline_state(snapshots: Snapshots) -> Literal["ok", "degraded", "down"]:
    """The state of the stream and of the gold jobs beside it, from their status files."""
    stream = snapshots.stream
    if stream is None:
        return "down"
    silent = (datetime.now(UTC) - datetime.fromisoformat(stream["updated_at"])).total_seconds()
    if stream["state"] == "stopped" or silent > PIPELINE_SILENT_SECONDS:
        return "down"
    if stream["state"] != "running" or stream_failure() is not None or gold_job_fails():
        return "degraded"
    return "ok"


def gold_job_fails() -> bool:
    """Whether the newest run of a background gold job failed, or its status cannot be read."""
    try:
        status = background_gold_status()
    except OSError:
        return True
    return status is not None and bool(failed_gold_jobs(status))


def models_state(snapshots: Snapshots) -> Literal["ok", "degraded", "off"]:
    """Off before the first forecast; degraded while a fault of training is not made good by a later round."""
    try:
        if training_faults()["open"]:
            return "degraded"
    except OSError:  # no free file descriptor, for example; health must still answer
        return "degraded"
    return "ok" if snapshots.count("gold.forecasts") else "off"
