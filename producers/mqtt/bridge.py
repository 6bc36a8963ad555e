"""Takes the topics of an external broker over to Kafka, with MQTT 5 and a subscription that bridges share.

The external broker decides who may publish where. A message is acknowledged there after Kafka has
acknowledged it. When Kafka fails, this process ends, and the broker sends again what was not acknowledged.
"""

import hashlib
import logging
import platform
import sys
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaError, KafkaException, Producer
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import stopped_by_signals
from conf.settings import MQTT_PORT, MQTTS_PORT, settings
from lakehouse.io.kafka import partition_of, producer_config
from producers.mqtt.events import Published, Record, event_of, record_of
from producers.mqtt.limits import ListedRefusals
from producers.mqtt.rights import PREFIX, TOPIC

log = logging.getLogger("lumbung.bridge")
SHARED = f"$share/lumbung/{PREFIX}/+/+/+"
NO_EVENTS = ("status", "receipt")  # kinds of topics that carry none
SESSION_SECONDS = 7 * 86_400  # the broker keeps what arrives while no bridge is connected for so long
IN_FLIGHT = 1000  # messages that wait for Kafka at once; the broker sends no more
POLL_SECONDS = 0.2


class Bridge:
    """One connection to the external broker; its URL is that of the knob `mqtt.broker_url`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "mqtts"
        self._host = parts.hostname or ""
        self._port = parts.port or (MQTTS_PORT if self._secure else MQTT_PORT)
        self._producer = Producer(producer_config())
        self._listed = ListedRefusals(settings().mqtt.listed_refusals_per_hour)
        self.failure: str | None = None
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id(), protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if self._secure:
            authority = settings().mqtt_tls_ca
            self._client.tls_set(ca_certs=str(authority) if authority else None)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._connected
        self._client.on_message = self._received

    def start(self) -> None:
        """Connect in a thread, again and again until the broker answers."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_SECONDS
        properties.ReceiveMaximum = IN_FLIGHT
        self._client.connect_async(self._host, self._port, clean_start=False, properties=properties)
        self._client.loop_start()

    def poll(self, seconds: float) -> None:
        """Acknowledge what Kafka has acknowledged meanwhile."""
        self._producer.poll(seconds)

    def stop(self) -> None:
        """Wait for Kafka, then disconnect; the broker keeps the session."""
        self._producer.flush(settings().kafka.acknowledge_timeout_seconds)
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self, client: mqtt.Client, data: Any, flags: mqtt.ConnectFlags, code: ReasonCode, properties: Any
    ) -> None:
        if code.is_failure:
            log.error("%s:%d refuses the connection: %s", self._host, self._port, code)
            return
        log.info("connected to %s:%d, %s", self._host, self._port, SHARED)
        client.subscribe(SHARED, qos=1)

    def _received(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        limit = settings().api.event_max_bytes
        published = Published(message.topic, bytes(message.payload[: limit + 1]), len(message.payload))
        match = TOPIC.fullmatch(published.topic)
        if match and match["kind"] in NO_EVENTS:
            client.ack(message.mid, message.qos)
            return
        event, fault = event_of(published)
        listed = fault is None or self._listed.take(event.source, event.received_at.timestamp())
        self._forward(record_of(event, fault, published.topic, listed), message.mid, message.qos)

    def _forward(self, record: Record, mid: int, qos: int) -> None:
        """Send to Kafka; waits while too many records are under way."""
        delivered = partial(self._delivered, mid, qos)
        while self.failure is None:
            try:
                partition = partition_of(record.topic, record.together)
                self._producer.produce(
                    record.topic, record.value, record.key, partition, delivered, headers=record.headers
                )
                return
            except BufferError:
                self._producer.poll(POLL_SECONDS)
            except KafkaException as error:
                self.failure = str(error)

    def _delivered(self, mid: int, qos: int, error: KafkaError | None, record: object) -> None:
        if error is None:
            self._client.ack(mid, qos)
        else:
            self.failure = error.str()


def client_id() -> str:
    """The same in each start of this home, so that the broker keeps its session."""
    place = f"{platform.node()}\0{settings().home}"
    return f"lumbung-bridge-{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def main() -> ExitCode:
    """DONE after a stop, FAILED when Kafka did not acknowledge, USAGE without a URL."""
    configure_logging()
    url = settings().mqtt.broker_url
    if not url:
        print("mqtt.broker_url is empty: there is no broker to take topics from", file=sys.stderr)
        return ExitCode.USAGE
    stopping = stopped_by_signals(log)
    bridge = Bridge(url)
    bridge.start()
    while not stopping.is_set() and bridge.failure is None:
        bridge.poll(POLL_SECONDS)
    bridge.stop()
    if bridge.failure is not None:
        log.error("not acknowledged by Kafka: %s", bridge.failure)
        return ExitCode.FAILED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
