"""The services of a stack: the one table of their names."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conf.settings import settings
from producers.collectors.source import active_sources

SUPERVISOR_FILE = Path(__file__).with_name("supervisord.conf")


@dataclass(frozen=True)
class Service:
    """A program of supervisord.conf. `stalled_seconds`: how long `up` waits for it without any progress."""

    name: str
    starting: str  # what `up` shows while it waits
    stalled_seconds: float


SERVICES = (
    Service("broker", "starting Kafka", 40),
    Service("stream", "starting its engine, checking checkpoint and tables", 120),
    Service("background_gold", "waiting for the stream's tables", 120),
    Service("gateway", "opening the MQTT listener", 40),
    Service("bridge", "taking topics of another broker", 20),
    Service("folder_watch", "watching the landing folder", 20),
    Service("collectors", "opening the sources that are polled", 20),
    Service("alert_worker", "opening the channels of alerts", 20),
    Service("trainer", "waiting for prices and jobs", 40),
    Service("api", "opening the HTTP listener", 40),
)
SIMULATED_BARS = "simulated_bars"  # a further program, which the demo alone starts
BY_NAME = {service.name: service for service in SERVICES}


def service_names() -> tuple[str, ...]:
    """Services of this home.

    Without the broker when kafka.bootstrap is a cluster, without the bridge when mqtt.broker_url is empty,
    without the collectors when every source is off.
    """
    absent = {
        "broker": not settings().kafka.embedded,
        "bridge": not settings().mqtt.broker_url,
        "collectors": not active_sources(),
    }
    return tuple(service.name for service in SERVICES if not absent.get(service.name, False))


@cache
def modules() -> dict[str, str]:
    """Service -> Python module that supervisord.conf starts it with."""
    pattern = re.compile(r"^\[program:(\w+)\]\ncommand=.* -m (\S+)$", re.MULTILINE)
    return dict(pattern.findall(SUPERVISOR_FILE.read_text(encoding="utf-8")))
