"""Whether each service of the stack does its work yet, checked the way its users would."""

import urllib.request
from collections.abc import Mapping
from typing import Any

from conf.settings import settings
from lakehouse.io.kafka import cluster_id, is_open
from lakehouse.io.process_status import (
    alert_worker_status,
    background_gold_status,
    collectors_status,
    stream_status,
    trainer_status,
)
from scripts.stack import ports
from scripts.stack.broker import own_cluster_id

STAYS_UP_SECONDS = 1  # a service that opens no port: to stay up this long is all that it can show


def _is_in(status: Mapping[str, Any] | None, pid: int, *states: str) -> bool:
    """Whether the process `pid` wrote the status and is in one of the states."""
    return status is not None and status["pid"] == pid and status["state"] in states


def _listens(service: str, pid: int) -> bool:
    """Whether every port of the service is open, and by its own process: not by one of another stack."""
    own = (port.number for port in ports.wanted() if port.service == service)
    return all(ports.listens(pid, number) for number in own)


def api_url() -> str:
    """Base URL of the API on this machine."""
    return f"http://127.0.0.1:{settings().api.port}"


def api_ready() -> bool:
    """Whether the API answers `GET /livez`."""
    if not is_open("127.0.0.1", settings().api.port):
        return False
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
    match name:
        case "broker":
            return _listens("broker", pid) and cluster_id() == own_cluster_id()
        case "stream":
            return _is_in(stream_status(), pid, "running")
        case "background_gold":  # it holds its lock, and works or waits for the stream's tables
            return _is_in(background_gold_status(), pid, "waiting", "running")
        case "gateway":
            return _listens("gateway", pid)
        case "folder_watch" | "bridge":
            return bool(info["now"] - info["start"] >= STAYS_UP_SECONDS)
        case "collectors":
            return _is_in(collectors_status(), pid, "running")
        case "alert_worker":
            return _is_in(alert_worker_status(), pid, "running")
        case "trainer":  # it holds its lock, and trains or waits for something to do
            return _is_in(trainer_status(), pid, "waiting", "running")
        case "api":
            return _listens("api", pid) and api_ready()
    raise ValueError(f"no service is named {name}")
