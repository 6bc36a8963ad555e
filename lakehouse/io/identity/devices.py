"""Devices: register, approve, claim, rotate and revoke, each in one transaction with its audit entry."""

import asyncio
import hmac
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lakehouse.identity.devices import MARKET_ROLE
from lakehouse.identity.tokens import digest_of
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tables import Device, DeviceClaim

CLAIM_BYTES = 16  # 128 bits
CLAIM_LIFE = timedelta(minutes=10)
SECRET_BYTES = 32  # random, so that a plain digest of it is enough; passwords need Argon2id
PENDING_LIFE = timedelta(days=7)  # a registration that nobody approves is removed after this time
USABLE = ("approved", "active")
ANYBODY = "anonymous"  # actor of a registration without a token
Check = Callable[[Device], None]  # raises when a person may not change the device


class DeviceExists(Exception):
    """The id belongs to a device, or to a registration that waits for its approval."""


class UnknownDevice(Exception):
    """There is no device with this id."""


class WrongState(Exception):
    """The device's status does not allow the step; the message is the status."""


class ClaimInvalid(Exception):
    """A claim code that is wrong, used, expired, or of a device that is not approved."""


@dataclass(frozen=True)
class IssuedClaim:
    """A code by which a device gets its secret, once."""

    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class IssuedSecret:
    """A device and its new secret, which is stored as a digest only."""

    device: Device
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ProvidedDevice:
    """A device whose secret its maker has chosen: random, or derived from a key of this home."""

    device_id: str
    market_id: str
    secret: str = field(repr=False)
    role: str = MARKET_ROLE


class Devices:
    """The devices of one identity store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(
        self,
        device_id: str,
        market_id: str,
        role: str,
        by: str | None,
        place: str | None = None,
        may_replace: Callable[[Device], bool] = lambda pending: False,
    ) -> tuple[Device, IssuedClaim]:
        """The device, approved when somebody (`by`) registers it, else pending, and its claim.

        `place`: network address of the caller. A pending registration keeps its id and its claim until it is
        removed, so that an approval is of what was seen; only who `may_replace` it does. Raises DeviceExists.
        """
        now = datetime.now(UTC)
        try:
            async with self._database.writing() as session:
                await session.execute(
                    delete(Device).where(Device.status == "pending", Device.created_at < now - PENDING_LIFE)
                )
                known = await _locked(session, device_id)
                if known is not None and not (known.status == "pending" and may_replace(known)):
                    raise DeviceExists(device_id)
                device = known or Device(device_id=device_id, secret_generation=0)
                device.market_id = market_id
                device.role = role
                device.created_at = now
                device.created_by = by
                device.created_from = place
                device.status = "pending" if by is None else "approved"
                device.approved_at = None if by is None else now
                device.approved_by = by
                session.add(device)
                await session.flush()
                claim = await _issue_claim(session, device_id, now)
                detail = {"market_id": market_id, "role": role, "status": device.status}
                await record(session, by or ANYBODY, "device.register", device_id, detail=detail)
        except IntegrityError:  # two registrations at once: the other one was first
            raise DeviceExists(device_id) from None
        return device, claim

    async def approve(
        self,
        device_id: str,
        by: str,
        reason: str | None = None,
        check: Check | None = None,
        claim_code: str | None = None,
    ) -> Device:
        """The approved device; a revoked one may come back.

        `check` sees the device that is approved. `claim_code`: of the scanned QR code, which
        may have expired. Raises UnknownDevice, WrongState, ClaimInvalid for the code of another registration.
        """
        async with self._database.writing() as session:
            device = await _in_state(session, device_id, ("pending", "revoked"), check)
            if claim_code is not None:
                claim = await session.get(DeviceClaim, digest_of(claim_code))
                if claim is None or claim.device_id != device_id:
                    raise ClaimInvalid(device_id)
            device.status = "approved"
            device.approved_at = datetime.now(UTC)
            device.approved_by = by
            device.revoked_at = None
            await record(session, by, "device.approve", device_id, detail=_detail(reason))
        return device

    async def rotate(
        self, device_id: str, by: str, reason: str | None = None, check: Check | None = None
    ) -> tuple[Device, IssuedClaim]:
        """The device and a claim for a new secret; until it is claimed the present secret is valid.

        Raises UnknownDevice, WrongState.
        """
        async with self._database.writing() as session:
            device = await _in_state(session, device_id, USABLE, check)
            claim = await _issue_claim(session, device_id, datetime.now(UTC))
            await record(session, by, "device.rotate", device_id, detail=_detail(reason))
        return device, claim

    async def revoke(
        self, device_id: str, by: str, reason: str | None = None, check: Check | None = None
    ) -> Device:
        """The revoked device: its secret, tokens and claims are void. Raises UnknownDevice, WrongState."""
        async with self._database.writing() as session:
            device = await _in_state(session, device_id, ("pending", *USABLE), check)
            device.status = "revoked"
            device.revoked_at = datetime.now(UTC)
            device.secret_digest = None
            device.secret_generation += 1
            await session.execute(delete(DeviceClaim).where(DeviceClaim.device_id == device_id))
            await record(session, by, "device.revoke", device_id, detail=_detail(reason))
        return device

    async def claim(self, device_id: str, code: str) -> IssuedSecret:
        """The device with its new secret; the code is spent. Raises ClaimInvalid.

        Of two callers with one code one gets a secret.
        """
        now = datetime.now(UTC)
        spend = (
            update(DeviceClaim)
            .where(
                DeviceClaim.digest == digest_of(code),
                DeviceClaim.device_id == device_id,
                DeviceClaim.used_at.is_(None),
                DeviceClaim.expires_at > now,
            )
            .values(used_at=now)
            .returning(DeviceClaim.digest)
        )
        async with self._database.writing() as session:
            device = await _locked(session, device_id)
            spent = await session.scalar(spend)
            if device is None or device.status not in USABLE or spent is None:
                raise ClaimInvalid(device_id)
            issued = IssuedSecret(device, secrets.token_urlsafe(SECRET_BYTES))
            _set_secret(device, issued.secret)
            await record(session, device_id, "device.claim", device_id)
        return issued

    async def with_secret(self, device_id: str, secret: str) -> Device | None:
        """The device if this is its secret, else None."""
        device = await self.get(device_id)
        known = device.secret_digest if device and device.status in USABLE else None
        return device if hmac.compare_digest(digest_of(secret), known or "") else None

    async def usable(self, device_id: str) -> Device | None:
        """The device if it is approved, else None."""
        device = await self.get(device_id)
        return device if device and device.status in USABLE else None

    async def get(self, device_id: str) -> Device | None:
        """The device in any state."""
        async with self._database.reading() as session:
            return await session.get(Device, device_id)

    async def generations(self, device_ids: Collection[str]) -> dict[str, int]:
        """Of these devices those that are approved, with the number of their present secret."""
        async with self._database.reading() as session:
            rows = await session.execute(
                select(Device.device_id, Device.secret_generation).where(
                    Device.device_id.in_(device_ids), Device.status.in_(USABLE)
                )
            )
            return {row.device_id: row.secret_generation for row in rows}

    async def listed(
        self,
        limit: int,
        after: tuple[datetime, str] | None = None,
        market_ids: Collection[str] | None = None,
        status: str | None = None,
    ) -> list[Device]:
        """At most `limit` devices, the newest first. `after`: creation time and id of the one before.

        `market_ids`: only devices of these markets.
        """
        query = select(Device).order_by(Device.created_at.desc(), Device.device_id).limit(limit)
        if market_ids is not None:
            query = query.where(Device.market_id.in_(market_ids))
        if status is not None:
            query = query.where(Device.status == status)
        if after is not None:
            created_at, device_id = after
            same_time = and_(Device.created_at == created_at, Device.device_id > device_id)
            query = query.where(or_(Device.created_at < created_at, same_time))
        async with self._database.reading() as session:
            return list(await session.scalars(query))

    async def provide(self, given: Sequence[ProvidedDevice], by: str) -> None:
        """Make the devices active with these secrets; nothing changes for those that are.

        For programs of this machine that are devices themselves, such as the simulator. Raises DeviceExists
        for a revoked device, and for one of another market or role.
        """
        async with self._database.writing() as session:
            now = datetime.now(UTC)
            changed = [item.device_id for item in given if await _provide(session, item, by, now)]
            if changed:
                detail = {"devices": len(changed), "first": changed[0]}
                await record(session, by, "device.provide", detail=detail)


def provide_devices(given: Sequence[ProvidedDevice], by: str, url: str | None = None) -> None:
    """`Devices.provide` for programs without an event loop. `url`: database of another home."""

    async def provide() -> None:
        database = Database(url)
        try:
            await database.migrate()
            await Devices(database).provide(given, by)
        finally:
            await database.close()

    asyncio.run(provide())


async def _provide(session: AsyncSession, given: ProvidedDevice, by: str, now: datetime) -> bool:
    """Whether the device was not active with this secret before."""
    device = await _locked(session, given.device_id)
    if device is None:
        device = Device(
            device_id=given.device_id,
            market_id=given.market_id,
            role=given.role,
            status="approved",
            secret_generation=0,
            created_at=now,
            created_by=by,
            approved_at=now,
            approved_by=by,
        )
        session.add(device)
    known = (device.market_id, device.role) == (given.market_id, given.role)
    if not known or device.status not in USABLE:
        raise DeviceExists(given.device_id)
    if device.secret_digest == digest_of(given.secret):
        return False
    _set_secret(device, given.secret)
    return True


async def _locked(session: AsyncSession, device_id: str) -> Device | None:
    return await session.get(Device, device_id, with_for_update=True)


async def _in_state(
    session: AsyncSession, device_id: str, allowed: Collection[str], check: Check | None
) -> Device:
    """The device for a step, which holds its row, so that market and role stay as `check` sees them."""
    device = await _locked(session, device_id)
    if device is None:
        raise UnknownDevice(device_id)
    if check is not None:
        check(device)
    if device.status not in allowed:
        raise WrongState(device.status)
    return device


async def _issue_claim(session: AsyncSession, device_id: str, now: datetime) -> IssuedClaim:
    """A new claim, which replaces the earlier ones."""
    await session.execute(delete(DeviceClaim).where(DeviceClaim.device_id == device_id))
    claim = IssuedClaim(secrets.token_urlsafe(CLAIM_BYTES), now + CLAIM_LIFE)
    session.add(DeviceClaim(digest=digest_of(claim.code), device_id=device_id, expires_at=claim.expires_at))
    return claim


def _set_secret(device: Device, secret: str) -> None:
    """Give the device another secret; the earlier one and its tokens are void."""
    device.secret_digest = digest_of(secret)
    device.secret_generation += 1
    device.status = "active"


def _detail(reason: str | None) -> dict[str, Any]:
    return {"reason": reason} if reason else {}
