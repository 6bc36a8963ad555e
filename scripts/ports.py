"""The TCP ports of a stack: which they are, whether they are free, and who holds one that is not."""

import socket

import psutil

from conf.settings import settings


def wanted() -> dict[str, tuple[str, int]]:
    """What for -> (host, port), for every port that this stack opens."""
    here = settings()
    ports = {"API": (here.api.host, here.api.port), "MQTT gateway": (here.mqtt.host, here.mqtt.port)}
    if here.kafka.embedded:
        host, _, port = here.kafka.bootstrap.partition(":")
        ports |= {"Kafka": (host, int(port)), "Kafka controller": (host, here.kafka.controller_port)}
    return ports


def is_open(host: str, port: int, timeout_seconds: float = 1.0) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((host, port), timeout_seconds).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """`pid 123 (java)` of the listener, as far as this user may know."""
    try:
        listeners = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
    except psutil.AccessDenied:
        return "a process of another user"
    pids = [c.pid for c in listeners if c.pid]
    return f"pid {pids[0]} ({psutil.Process(pids[0]).name()})" if pids else "a process of another user"


def taken() -> list[str]:
    """A sentence per port that cannot be had; empty when all are free."""
    return [
        f"port {port} for {what} is held by {holder(port)}: stop it or choose another port in conf/lumbung.yml"
        for what, (host, port) in wanted().items()
        if is_open(host, port)
    ]
