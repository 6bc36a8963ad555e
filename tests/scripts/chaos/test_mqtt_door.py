"""A device publishes through a gateway that is killed, until every event is acknowledged."""

import signal
import threading
from pathlib import Path

from scripts.chaos.doors import publish_mqtt
from scripts.chaos.plan import Entry
from tests.conftest import Broker
from tests.producers.mqtt.test_session import gateway, price
from tests.support.identity.devices import SECRET
from tests.support.waiting import eventually


def test_every_event_is_acknowledged_though_the_gateway_is_killed(broker: Broker, home: Path):
    since = broker.ends()
    entries = [
        Entry(f"e-{number}", "price", "mqtt", price(f"e-{number}").decode(), "silver", None, again=False)
        for number in range(300)
    ]
    counts: list[int] = []
    fast = {"LUMBUNG_MQTT__MESSAGES_PER_SECOND": "1000", "LUMBUNG_MQTT__BURST": "1000"}
    with gateway(**fast) as (running, port):
        arguments = (entries, 200.0, port, "DEV-1", SECRET, counts.append)
        door = threading.Thread(target=publish_mqtt, args=arguments)
        door.start()
        eventually(lambda: sum(counts) > 50)
        running.send_signal(signal.SIGKILL)
        running.wait()
    with gateway(**fast, LUMBUNG_MQTT__PORT=str(port)):
        door.join()
    assert sum(counts) == len(entries)
    landed = {record.value() for record in broker.records(since, "lumbung.price", 300)}
    assert landed >= {entry.payload.encode() for entry in entries}
