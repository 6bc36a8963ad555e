"""Devices of the home that a test sees, and a client that connects as one of them."""

import os
from collections.abc import Callable

import paho.mqtt.client as mqtt

from lakehouse.io.identity.devices import ProvidedDevice, provide_devices
from tests.support.poison_cases import MARKET, Case
from tests.support.waiting import eventually

SECRET = "secret-of-a-device-in-a-test-0123456789"  # noqa: S105


def identity_url() -> str:
    """The identity store of the home in the environment, whatever settings this process has read."""
    file = f"{os.environ['LUMBUNG_HOME']}/state/identity.sqlite"
    return os.environ.get("DATABASE_URL") or f"sqlite+aiosqlite:///{file}"


def provide(
    *device_ids: str, market_id: str = MARKET, role: str = "operator", url: str | None = None
) -> None:
    """Active devices of a market, all with SECRET. `url`: identity store of another home."""
    given = [ProvidedDevice(device_id, market_id, SECRET, role) for device_id in device_ids]
    provide_devices(given, "test", url)


class Device:
    """A client that records the packets of the gateway. `user_name` None: it gives no credentials."""

    def __init__(
        self,
        port: int,
        user_name: str | None = "DEV-1",
        secret: str = SECRET,
        name: str = "",
        **options: object,
    ) -> None:
        self.acknowledged: list[int] = []
        self.granted: list[str] = []
        self.received: list[tuple[str, bytes]] = []
        self.connack: list[str] = []
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name or user_name or "nobody", **options
        )
        if user_name is not None:
            self.client.username_pw_set(user_name, secret)
        self.client.on_connect = lambda c, u, flags, code, p: self.connack.append(str(code))
        self.client.on_publish = lambda c, u, mid, code, p: self.acknowledged.append(mid)
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.granted.extend(
            str(code) for code in codes
        )
        self.client.on_message = lambda c, u, message: self.received.append((message.topic, message.payload))
        self.client.max_inflight_messages_set(200)
        self.prepare(self.client)
        self.client.connect("127.0.0.1", port, keepalive=20)
        self.client.loop_start()
        self.until(lambda: self.connack)

    def prepare(self, client: mqtt.Client) -> None:
        """For subclasses: called before the client connects."""

    def until(self, what: Callable[[], object], seconds: float = 60) -> bool:
        """True as soon as it holds; the test fails when it does not within the time."""
        return bool(eventually(what, seconds))

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> bool:
        """Publish and wait until the gateway has acknowledged."""
        before = len(self.acknowledged)
        self.client.publish(topic, payload, qos=qos)
        return self.until(lambda: len(self.acknowledged) > before)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def publish_case(port: int, case: Case) -> None:
    """Publish a poison case as the device P-<number>, and wait for every acknowledgement."""
    device_id = f"P-{case.number:03}"
    device = Device(port, device_id, reconnect_on_failure=False)
    for body in case.bodies:
        device.client.publish(f"lumbung/v1/{MARKET}/{device_id}/{case.kind}", body, qos=1)
    assert device.until(lambda: len(device.acknowledged) == len(case.bodies)), case.name
    assert device.client.is_connected(), case.name
    device.close()
