"""Which clients may connect: devices by secret or certificate, and clients that claim a device.

A claim is the only thing that a client without a device may do.
"""

import logging
from collections.abc import Collection
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from conf.settings import settings
from lakehouse.identity.devices import DEVICE_ID, market_of
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.device_access import claim_answer
from lakehouse.io.identity.devices import ClaimInvalid, Devices
from lakehouse.io.identity.tables import Device
from lakehouse.io.identity.tokens import TokenSigner
from producers.mqtt.events import Published
from producers.mqtt.rights import Client, provision_response
from producers.mqtt.session import Credentials, MqttSession, NotAdmitted

log = logging.getLogger("lumbung.gateway")
NO_SUCH_DEVICE = "unknown device or wrong secret"  # one answer for all: nobody learns which ids exist
INVALID = {"type": "/problems/claim-invalid", "title": "Invalid claim", "status": 401}
UNAVAILABLE = {"type": "/problems/warming-up", "title": "Identities cannot be read", "status": 503}


class ClaimMessage(BaseModel):
    """Payload of lumbung/v1/provision/request."""

    model_config = ConfigDict(strict=True, extra="forbid")
    device_id: Annotated[str, StringConstraints(pattern=rf"^{DEVICE_ID}$")]
    claim_code: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Admission:
    """Looks clients up in the identity store.

    It answers claims too: the secret goes to the connection that sent the code, and nowhere else.
    """

    def __init__(self, database: Database, signer: TokenSigner) -> None:
        self._devices = Devices(database)
        self._signer = signer

    async def admit(self, given: Credentials) -> Client:
        """The client with these credentials. Raises NotAdmitted.

        Without a user name and a certificate it may only claim a device, or anything where the knob
        `mqtt.anonymous` allows it.
        """
        if given.user_name is None and given.certificate_name is None:
            return Client(given.client_id, unrestricted=settings().mqtt.anonymous)
        try:
            device = await self._device_of(given)
        except StoreUnavailable as error:
            log.error("identities cannot be read: %s", error)
            raise NotAdmitted("identities cannot be read", is_temporary=True) from None
        if device is None:
            raise NotAdmitted(NO_SUCH_DEVICE)
        market_id = market_of(device.role, device.market_id)
        return Client(given.client_id, device.device_id, market_id, device.secret_generation)

    async def _device_of(self, given: Credentials) -> Device | None:
        """The device of a certificate, unless the user name is another one; else of user name and secret."""
        if given.certificate_name is not None:
            is_same = given.user_name in (None, given.certificate_name)
            return await self._devices.usable(given.certificate_name) if is_same else None
        return await self._devices.with_secret(given.user_name or "", given.password or "")

    async def ended(self, clients: Collection[Client]) -> set[Client]:
        """The clients whose device was revoked or has another secret now."""
        generations = {client: client.generation for client in clients if client.device_id}
        device_ids = {client.device_id for client in generations if client.device_id}
        valid = await self._devices.generations(device_ids) if device_ids else {}
        return {
            client
            for client, generation in generations.items()
            if valid.get(client.device_id or "") != generation
        }

    async def answer(self, session: MqttSession, published: Published) -> bool:
        """Claim and answer; whether a device was claimed.

        Without a subscription to the answer nobody would receive the secret: the code stays valid then.
        """
        topic = provision_response(session.client.client_id) if session.client else ""
        if not session.is_subscribed(topic):
            log.warning("client %s claims without a subscription to the answer", session.name)
            return False
        try:
            given = ClaimMessage.model_validate_json(published.payload)
            issued = await self._devices.claim(given.device_id, given.claim_code)
        except (ValidationError, ClaimInvalid):
            await session.deliver(topic, orjson.dumps(INVALID))
            return False
        except StoreUnavailable as error:
            log.error("identities cannot be written: %s", error)
            await session.deliver(topic, orjson.dumps(UNAVAILABLE))
            return False
        await session.deliver(topic, orjson.dumps(claim_answer(self._signer, issued)))
        log.info("device %s was claimed", given.device_id)
        return True
