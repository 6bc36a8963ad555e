"""Status files of the long-running processes: each is written by its process and read by the others."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

import psutil

from conf.runtime.status_files import read_json
from conf.settings import settings

STREAM = "progress.json"
STREAM_FAILURE = "stream_failure.json"
BACKGROUND_GOLD = "background_gold.json"
TRAINER = "trainer.json"
ALERT_WORKER = "alert_worker.json"
TRAINING_FAULTS = "training_faults.json"
GATEWAY = "gateway.json"
COLLECTORS = "collectors.json"


class ProcessStatus(TypedDict):
    """What the status of every process has. Times are UTC, RFC 3339."""

    pid: int
    updated_at: str


class StreamStatus(ProcessStatus):
    """The stream after its newest batch."""

    stream_id: str
    rule_set: NotRequired[str]  # fingerprint of the rules by which it judges
    batch_id: int | None
    state: Literal["starting", "running", "stopped"]
    batch_seconds: float | None
    batch_rows: int
    positions: dict[str, dict[str, int]]  # topic -> partition -> next offset
    rows_total: dict[str, int]  # in, silver, quarantine, duplicates; since the process started
    oldest_received_at: NotRequired[str]  # first receipt among the newest batch's events


class StreamFailure(TypedDict):
    """The batch that failed and was not finished since."""

    batch_id: int
    failures: int
    reason: str  # of the newest failure
    updated_at: str


class JobStatus(TypedDict):
    """One background job after its newest run."""

    seconds: float
    failure: str | None
    done_at: str | None  # end of the newest run that did not fail


class BackgroundGoldStatus(ProcessStatus):
    """The process that refreshes gold in the background."""

    state: Literal["waiting", "running", "stopped"]
    rounds: int
    round_seconds: float | None
    jobs: dict[str, JobStatus]


class TrainerStatus(ProcessStatus):
    """The process that starts training."""

    state: Literal["waiting", "running", "stopped"]
    rounds: int
    round: dict[str, Any] | None  # arguments and reason of the round under way
    failure: str | None


class AlertWorkerStatus(ProcessStatus):
    """The process that sends alerts."""

    state: Literal["running", "stopped"]
    channels: dict[str, str]  # channel -> on, mock or off
    deliveries: dict[str, dict[str, int]]  # channel -> state -> number of messages


class TrainingFaults(TypedDict):
    """What went wrong in training rounds since the home was made."""

    failed_rounds: int
    dead_workers: int  # worker processes that were killed, mostly for want of memory
    open: list[str]  # price, sales, worker: no later round has succeeded yet


class GatewayStatus(ProcessStatus):
    """The MQTT gateway, every few seconds. Counts begin with the process."""

    connections: int
    messages: dict[str, int]  # accepted, dead_letter, refused, claimed, claim_refused
    connects: dict[str, int]  # admitted, unclaimed, refused
    task_restarts: NotRequired[dict[str, int]]  # endless work that failed and began again


class CollectorsStatus(ProcessStatus):
    """The process that polls sources, after each poll.

    `sources`: source -> its mode and kind, and `CollectorCounts` of producers/collectors/collector.py.
    """

    state: Literal["running", "stopped"]
    sources: dict[str, dict[str, Any]]


def is_alive(status: Mapping[str, Any] | None) -> bool:
    """Whether the process that wrote the status still runs; another one may have got its pid since."""
    if status is None:
        return False
    try:
        started = psutil.Process(status["pid"]).create_time()
    except psutil.NoSuchProcess:
        return False
    return started <= datetime.fromisoformat(status["updated_at"]).timestamp()


def was_killed(status: Mapping[str, Any] | None) -> bool:
    """Whether the process ended without a clean stop."""
    return status is not None and status["state"] != "stopped" and not is_alive(status)


def status_file(name: str, state_dir: Path | None = None) -> Path:
    """Path of one of the files above; `state_dir`: of another home."""
    return (state_dir or settings().state_dir) / name


def stream_status(state_dir: Path | None = None) -> StreamStatus | None:
    """The last status of the stream; None before its first start."""
    return cast(StreamStatus | None, read_json(status_file(STREAM, state_dir)))


def stream_failure() -> StreamFailure | None:
    """The batch that the stream cannot finish; None when the newest one was finished."""
    return cast(StreamFailure | None, read_json(status_file(STREAM_FAILURE)))


def background_gold_status() -> BackgroundGoldStatus | None:
    """The last status of the background gold process; None before its first start."""
    return cast(BackgroundGoldStatus | None, read_json(status_file(BACKGROUND_GOLD)))


def failed_gold_jobs(status: BackgroundGoldStatus) -> dict[str, str]:
    """Job -> why its newest run failed."""
    return {name: job["failure"] for name, job in status["jobs"].items() if job["failure"]}


def trainer_status() -> TrainerStatus | None:
    """The last status of the trainer; None before its first start."""
    return cast(TrainerStatus | None, read_json(status_file(TRAINER)))


def alert_worker_status() -> AlertWorkerStatus | None:
    """The last status of the alert worker; None before its first start."""
    return cast(AlertWorkerStatus | None, read_json(status_file(ALERT_WORKER)))


def training_faults() -> TrainingFaults:
    """Faults of training so far; zeros before the first."""
    faults = read_json(status_file(TRAINING_FAULTS))
    return cast(TrainingFaults, faults or {"failed_rounds": 0, "dead_workers": 0, "open": []})


def gateway_status() -> GatewayStatus | None:
    """The last status of the MQTT gateway; None before its first start."""
    return cast(GatewayStatus | None, read_json(status_file(GATEWAY)))


def collectors_status() -> CollectorsStatus | None:
    """The last status of the collectors; None before their first start."""
    return cast(CollectorsStatus | None, read_json(status_file(COLLECTORS)))
