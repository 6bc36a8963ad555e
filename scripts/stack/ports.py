"""The TCP ports of a stack: which they are, whether they are free, and which process holds them."""

from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import psutil

from conf.knob_faults import variable_of
from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.io.kafka import is_open
from scripts.stack import supervision
from scripts.stack.patience import process_tree


@dataclass(frozen=True)
class Port:
    """A port, the service that opens it, and the knob that names it."""

    use: str
    service: str
    host: str
    number: int
    knob: str

    @property
    def remedy(self) -> str:
        """How to choose another port."""
        return f"choose another port: {self.knob} in conf/lumbung.yml, or {variable_of(self.knob)}"


def wanted() -> list[Port]:
    """Every port that this stack opens."""
    here = settings()
    ports = [
        Port("API", "api", here.api.host, here.api.port, "api.port"),
        Port("MQTT gateway", "gateway", here.mqtt.host, here.mqtt.port, "mqtt.port"),
    ]
    if here.api.split_ports:
        ports += [
            Port("AI routes", "api", here.api.host, here.api.ai_port, "api.ai_port"),
            Port("admin routes", "api", here.api.host, here.api.admin_port, "api.admin_port"),
        ]
    if here.kafka.embedded:
        host, _, port = here.kafka.bootstrap.partition(":")
        ports += [
            Port("Kafka", "broker", host, int(port), "kafka.bootstrap"),
            Port("Kafka controller", "broker", host, here.kafka.controller_port, "kafka.controller_port"),
        ]
    return ports


def _record() -> Path:
    return settings().run_dir / "ports.json"


def note() -> None:
    """Note the ports with which this stack is started."""
    write_json(_record(), {port.knob: port.number for port in wanted()})


def forget() -> None:
    """Remove the note of a stack that is down."""
    _record().unlink(missing_ok=True)


def changes() -> list[str]:
    """A sentence per port whose knob has changed since the running stack was started."""
    noted = read_json(_record()) or {}
    return [
        f"this stack runs with port {noted[port.knob]} for {port.use}, but {port.knob} is now {port.number}: "
        f"run ./run.sh down first, or set {variable_of(port.knob)} as before"
        for port in wanted()
        if noted.get(port.knob, port.number) != port.number
    ]


def equal_ports() -> list[str]:
    """A sentence per pair of uses that have the same port; empty when all differ."""
    return [
        f"port {first.number} is given twice, for {first.use} and for {second.use}: "
        f"set {variable_of(first.knob)} or {variable_of(second.knob)} to another port"
        for first, second in combinations(wanted(), 2)
        if first.number == second.number
    ]


def _is_listener(connection: Any, port: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port)


def holders(port: int) -> list[psutil.Process]:
    """The processes that listen on the port, as far as this user may see them."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    processes = []
    for connection in connections:
        if _is_listener(connection, port) and connection.pid:
            with suppress(psutil.NoSuchProcess):
                processes.append(psutil.Process(connection.pid))
    return processes


def holder(port: int) -> str:
    """`pid 123 (java)` of the listener, as far as this user may see it."""
    for process in holders(port):
        with suppress(psutil.Error):
            return f"pid {process.pid} ({process.name()})"
    return "a process of another user"


def listens(pid: int, port: int) -> bool:
    """Whether the process or one of its descendants listens on the port."""
    for process in process_tree(pid):
        with suppress(psutil.Error):
            if any(_is_listener(connection, port) for connection in process.net_connections("tcp")):
                return True
    return False


def is_foreign(port: Port, pid: int) -> bool:
    """Whether the port that the service `pid` is to open is held by a process that is not of this home."""
    if not is_open(port.host, port.number) or listens(pid, port.number):
        return False
    own = {member.pid for member in supervision.members()}
    return not any(process.pid in own for process in holders(port.number))


def fault_of(port: Port) -> str:
    """The sentence for a port that another process holds."""
    return f"port {port.number} for {port.use} is held by {holder(port.number)}: stop it, or {port.remedy}"


def faults() -> list[str]:
    """A sentence per port that is in use; empty when all are free."""
    return [fault_of(port) for port in wanted() if is_open(port.host, port.number)]
