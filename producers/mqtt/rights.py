"""What a connected client may publish and subscribe to. Everything that is not named here is refused."""

import re
from dataclasses import dataclass

NAME = r"[A-Za-z0-9._:-]{1,64}"
PREFIX = "lumbung/v1"
TOPIC = re.compile(rf"{PREFIX}/(?P<market>{NAME})/(?P<device>{NAME})/(?P<kind>[a-z]+)")
PROVISION_REQUEST = f"{PREFIX}/provision/request"
RECEIPT = "receipt"


def provision_response(client_id: str) -> str:
    """Topic on which a client without a device receives the answer to its claim."""
    return f"{PREFIX}/provision/response/{client_id}"


def receipt_topic(market_id: str, device_id: str) -> str:
    """Topic on which a device receives the outcome of its events."""
    return f"{PREFIX}/{market_id}/{device_id}/{RECEIPT}"


@dataclass(frozen=True)
class Client:
    """Whom a connection belongs to. `device_id` None: a client that can only claim a device.

    `market_id` None: a device of every market. `generation`: of the secret that it connected with; with
    another one the connection ends. `unrestricted`: any topic, as the knob `mqtt.anonymous` allows.
    """

    client_id: str
    device_id: str | None = None
    market_id: str | None = None
    generation: int = 0
    unrestricted: bool = False

    @property
    def name(self) -> str:
        """What logs call it."""
        return self.device_id or f"without a device ({self.client_id[:64]!r})"

    @property
    def is_unclaimed(self) -> bool:
        """Whether it has no device and may only ask for one."""
        return self.device_id is None and not self.unrestricted

    def may_publish(self, topic: str) -> bool:
        """Whether the topic is its own: of its market and device, whatever the kind."""
        if self.is_unclaimed:
            return topic == PROVISION_REQUEST
        return self.unrestricted or self._owns(TOPIC.fullmatch(topic))

    def may_subscribe(self, topic: str) -> bool:
        """Whether it receives what is sent there: its own receipts, or the answer to its own claim."""
        if self.is_unclaimed:
            return topic == provision_response(self.client_id)
        match = TOPIC.fullmatch(topic)
        if match is None or match["kind"] != RECEIPT:
            return False
        return self.unrestricted or self._owns(match)

    def _owns(self, match: re.Match[str] | None) -> bool:
        if match is None or match["device"] != self.device_id:
            return False
        return self.market_id in (None, match["market"])
