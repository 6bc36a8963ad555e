"""Devices in the store, on both databases: races at registration and claim, an audit entry for each step."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from lakehouse.io.identity.database import Database
from lakehouse.io.identity.devices import (
    ClaimInvalid,
    DeviceExists,
    Devices,
    IssuedSecret,
    ProvidedDevice,
)
from lakehouse.io.identity.tables import AuditEntry, Device, DeviceClaim
from tests.lakehouse.identity.test_database import on
from tests.support.identity.audit import chain_fault

MARKET = "PASAR-001"


async def stored_texts(database: Database) -> str:
    """Everything that the store keeps of devices, as text."""
    async with database.reading() as session:
        rows = [await session.scalars(select(table)) for table in (Device, DeviceClaim, AuditEntry)]
        return str([vars(row) for table in rows for row in table])


def test_of_many_at_once_one_registers_and_one_claims(database_url: str):
    async def race(database: Database) -> None:
        devices = Devices(database)
        registered: list[Any] = await asyncio.gather(
            *(devices.register("DEV-1", MARKET, "operator", "op") for _ in range(5)), return_exceptions=True
        )
        assert [type(result) for result in registered].count(DeviceExists) == 4
        (claim,) = (result[1] for result in registered if isinstance(result, tuple))
        claimed: list[Any] = await asyncio.gather(
            *(devices.claim("DEV-1", claim.code) for _ in range(5)), return_exceptions=True
        )
        assert [type(result) for result in claimed].count(ClaimInvalid) == 4
        (issued,) = (result for result in claimed if isinstance(result, IssuedSecret))
        assert await devices.generations(["DEV-1", "DEV-2"]) == {"DEV-1": 1}
        assert await devices.with_secret("DEV-1", issued.secret) is not None
        text = await stored_texts(database)
        assert issued.secret not in text and claim.code not in text, "only digests are stored"

    on(database_url, race)


def test_every_step_is_an_audit_entry(database_url: str):
    async def steps(database: Database) -> list[tuple[str, str]]:
        devices = Devices(database)
        _, claim = await devices.register("DEV-1", MARKET, "operator", None)
        await devices.approve("DEV-1", "op")
        await devices.claim("DEV-1", claim.code)
        await devices.rotate("DEV-1", "op", "a test")
        await devices.revoke("DEV-1", "op")
        async with database.reading() as session:
            assert await chain_fault(session) is None
            entries = await session.scalars(select(AuditEntry).order_by(AuditEntry.index))
            return [(entry.action.removeprefix("device."), entry.actor) for entry in entries]

    assert on(database_url, steps) == [
        ("register", "anonymous"),
        ("approve", "op"),
        ("claim", "DEV-1"),
        ("rotate", "op"),
        ("revoke", "op"),
    ]


def test_approval_checks_the_device_that_it_approves(database_url: str):
    """A replacement at the same time is refused, or its device is approved already: never another market."""

    async def race(database: Database) -> None:
        devices = Devices(database)

        def own_market(device: Device) -> None:
            if device.market_id != MARKET:
                raise LookupError

        for number in range(10):
            name = f"DEV-{number}"
            await devices.register(name, MARKET, "operator", None)
            await asyncio.gather(
                devices.approve(name, "op", check=own_market),
                devices.register(name, "PASAR-002", "operator", "central", may_replace=lambda pending: True),
                return_exceptions=True,
            )
            device = await devices.get(name)
            assert device is not None
            assert (device.market_id, device.approved_by) in ((MARKET, "op"), ("PASAR-002", "central"))
        await devices.register("DEV-10", "PASAR-002", "operator", None)
        with pytest.raises(LookupError):
            await devices.approve("DEV-10", "op", check=own_market)
        unchanged = await devices.get("DEV-10")
        assert unchanged is not None and unchanged.status == "pending"

    on(database_url, race)


def test_provided_devices_stay_connected_and_revoked_ones_do_not_come_back(database_url: str):
    async def provide(database: Database) -> None:
        devices = Devices(database)
        given = [ProvidedDevice("SIM-1", MARKET, "s" * 40), ProvidedDevice("SIM-2", MARKET, "t" * 40)]
        await devices.provide(given, "simulate")
        await devices.provide(given, "simulate")
        assert await devices.generations(["SIM-1", "SIM-2"]) == {"SIM-1": 1, "SIM-2": 1}
        with pytest.raises(DeviceExists):
            await devices.provide([ProvidedDevice("SIM-1", "PASAR-002", "s" * 40)], "simulate")
        await devices.revoke("SIM-1", "op")
        with pytest.raises(DeviceExists):
            await devices.provide(given, "simulate")

    on(database_url, provide)
