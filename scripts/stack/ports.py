"""The TCP ports of a stack: which they are, whether they are free, and which process holds them."""

import psutil

from conf.settings import settings
from lakehouse.io.kafka import is_open


def wanted() -> dict[str, tuple[str, int]]:
    """Use -> (host, port) of every port that this stack opens."""
    here = settings()
    ports = {"API": (here.api.host, here.api.port), "MQTT gateway": (here.mqtt.host, here.mqtt.port)}
    if here.kafka.embedded:
        host, _, port = here.kafka.bootstrap.partition(":")
        ports |= {"Kafka": (host, int(port)), "Kafka controller": (host, here.kafka.controller_port)}
    return ports


def holder(port: int) -> str:
    """`pid 123 (java)` of the listener, as far as this user may see it."""
    try:
        connections = psutil.net_connections("inet")
    except psutil.AccessDenied:
        return "a process of another user"
    pids = [
        connection.pid
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr
        and connection.laddr.port == port
        and connection.pid
    ]
    return f"pid {pids[0]} ({psutil.Process(pids[0]).name()})" if pids else "a process of another user"


def faults() -> list[str]:
    """A sentence per port that is in use; empty when all are free."""
    return [
        f"port {port} for {use} is held by {holder(port)}: stop it or choose another port in conf/lumbung.yml"
        for use, (host, port) in wanted().items()
        if is_open(host, port)
    ]
