"""A claim over MQTT: the only thing that a client without a device may do."""

import logging
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from lakehouse.identity.devices import DEVICE_ID
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.device_access import claim_answer
from lakehouse.io.identity.devices import ClaimInvalid, Devices
from lakehouse.io.identity.tokens import TokenSigner
from producers.mqtt.events import Published
from producers.mqtt.rights import provision_response
from producers.mqtt.session import MqttSession

log = logging.getLogger("lumbung.gateway")
INVALID = {"type": "/problems/claim-invalid", "title": "Invalid claim", "status": 401}
UNAVAILABLE = {"type": "/problems/warming-up", "title": "Identities cannot be read", "status": 503}


class ClaimMessage(BaseModel):
    """Payload of lumbung/v1/provision/request."""

    model_config = ConfigDict(strict=True, extra="forbid")
    device_id: Annotated[str, StringConstraints(pattern=rf"^{DEVICE_ID}$")]
    claim_code: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ClaimDesk:
    """Answers claims: the secret goes to the connection that sent the code, and nowhere else."""

    def __init__(self, database: Database, signer: TokenSigner) -> None:
        self._devices = Devices(database)
        self._signer = signer

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
