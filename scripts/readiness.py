"""Whether each service of the stack does its work yet, asked the way its users would ask."""

import urllib.request
from collections.abc import Mapping
from typing import Any

import orjson
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from conf.broker import QUIET
from conf.settings import settings
from scripts.ports import is_open


def progress() -> dict[str, Any] | None:
    """What the stream last wrote about itself, or None before its first batch ever."""
    file = settings().state_dir / "progress.json"
    return orjson.loads(file.read_bytes()) if file.exists() else None


def heavy_progress() -> dict[str, Any] | None:
    """What the process of heavier gold last wrote about itself, or None before its first start."""
    file = settings().state_dir / "heavy.json"
    return orjson.loads(file.read_bytes()) if file.exists() else None


def api_url() -> str:
    """Where this machine reaches the API."""
    return f"http://127.0.0.1:{settings().api.port}"


def broker_ready() -> bool:
    """Kafka answers a metadata request."""
    admin = AdminClient({"bootstrap.servers": settings().kafka.bootstrap, **QUIET})
    try:
        admin.list_topics(timeout=1)
    except KafkaException:
        return False
    return True


def stream_ready(pid: int) -> bool:
    """The process `pid` says that its query runs."""
    said = progress()
    return said is not None and said["pid"] == pid and said["state"] == "running"


def heavy_ready(pid: int) -> bool:
    """The process `pid` says that it holds its lock: it makes its rounds, or waits for the stream's tables."""
    said = heavy_progress()
    return said is not None and said["pid"] == pid and said["state"] in ("waiting", "running")


def trainer_progress() -> dict[str, Any] | None:
    """What the trainer last wrote about itself, or None before its first start."""
    file = settings().state_dir / "trainer.json"
    return orjson.loads(file.read_bytes()) if file.exists() else None


def trainer_ready(pid: int) -> bool:
    """The process `pid` says that it holds its lock: it waits for something to do, or a round runs."""
    said = trainer_progress()
    return said is not None and said["pid"] == pid and said["state"] in ("waiting", "running")


def api_ready() -> bool:
    """The API answers `GET /livez`."""
    if not is_open("127.0.0.1", settings().api.port):
        return False
    try:
        with urllib.request.urlopen(f"{api_url()}/livez", timeout=2) as answer:  # noqa: S310
            return answer.status == 200
    except OSError:
        return False


def ready(name: str, info: Mapping[str, Any]) -> bool:
    """Whether the service does its work; `info` is supervisor's view of it, which calls a young process STARTING."""
    if info["statename"] not in ("RUNNING", "STARTING") or not info["pid"]:
        return False
    return {
        "broker": lambda: broker_ready(),
        "stream": lambda: stream_ready(info["pid"]),
        "heavy_gold": lambda: heavy_ready(info["pid"]),
        "gateway": lambda: is_open("127.0.0.1", settings().mqtt.port),
        "folder_watch": lambda: info["now"] - info["start"] >= 1,  # nothing listens: to stay is all it can show
        "trainer": lambda: trainer_ready(info["pid"]),
        "api": lambda: api_ready(),
    }[name]()
