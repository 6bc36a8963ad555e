"""Which clients may connect: devices by secret or certificate, and clients that claim a device."""

import logging
from collections.abc import Collection

from conf.settings import settings
from lakehouse.identity.devices import market_of
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.devices import Devices
from lakehouse.io.identity.tables import Device
from producers.mqtt.rights import Client
from producers.mqtt.session import Credentials, NotAdmitted

log = logging.getLogger("lumbung.gateway")
NO_SUCH_DEVICE = "unknown device or wrong secret"  # one answer for all: nobody learns which ids exist


class Admission:
    """Looks clients up in the identity store."""

    def __init__(self, database: Database) -> None:
        self._devices = Devices(database)

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
