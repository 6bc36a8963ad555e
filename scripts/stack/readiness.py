"""Whether each service of the stack does its work yet, checked the way its users would."""

import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from conf.settings import settings
from lakehouse.io.kafka import cluster_id
from lakehouse.io.process_status import (
    alert_worker_status,
    background_gold_status,
    collectors_status,
    stream_status,
    trainer_status,
)
from scripts.stack import ports
from scripts.stack.broker import own_cluster_id

# Service without a port -> its status, and the states in which it holds its lock and works, or waits for it.
READY_STATES: dict[str, tuple[Callable[[], Mapping[str, Any] | None], tuple[str, ...]]] = {
    "stream": (stream_status, ("running",)),
    "background_gold": (background_gold_status, ("waiting", "running")),
    "trainer": (trainer_status, ("waiting", "running")),
    "alert_worker": (alert_worker_status, ("running",)),
    "collectors": (collectors_status, ("running",)),
}
STAYS_UP_SECONDS = 1  # a service that opens no port: to stay up this long is all that it can show


def api_url() -> str:
    """Base URL of the API on this machine."""
    return f"http://127.0.0.1:{settings().api.port}"


def api_ready() -> bool:
    """Whether the API answers `GET /livez`."""
    try:
        with urllib.request.urlopen(f"{api_url()}/livez", timeout=2) as response:  # noqa: S310
            return bool(response.status == 200)
    except OSError:
        return False


def ready(name: str, info: Mapping[str, Any]) -> bool:
    """Whether the service does its work.

    `info` is supervisor's view of it, which calls a process STARTING for its first seconds.
    """
    if info["statename"] not in ("RUNNING", "STARTING") or not info["pid"]:
        return False
    pid: int = info["pid"]
    if name in ("folder_watch", "bridge"):
        return bool(info["now"] - info["start"] >= STAYS_UP_SECONDS)
    if name in READY_STATES:
        read, states = READY_STATES[name]
        status = read()
        return status is not None and status["pid"] == pid and status["state"] in states
    # Every port of the service is open, and by its own process: not by one of another stack.
    own = (port.number for port in ports.wanted() if port.service == name)
    is_listening = all(ports.listens(pid, number) for number in own)
    match name:
        case "broker":
            return is_listening and cluster_id() == own_cluster_id()
        case "gateway":
            return is_listening
        case "api":
            return is_listening and api_ready()
    raise ValueError(f"no service is named {name}")
