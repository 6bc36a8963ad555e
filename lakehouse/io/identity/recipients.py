"""Where people want messages over Telegram and WhatsApp: named by them, confirmed by a code sent there."""

import hmac
import secrets as random
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tables import PersonalRecipient, User
from lakehouse.translation import Language

CHANNELS = ("telegram", "whatsapp")
CODE_VALID = timedelta(minutes=15)
CODE_DIGITS = 6
MOST_TRIES = 5  # of a code
MOST_CODES = 5  # in a day, of a person and to an address: nobody's telephone can be flooded
DAY = timedelta(days=1)


class TooManyCodes(Exception):
    """MOST_CODES were sent to this person, or to this address, within a day. Its text: the channel."""


class WrongCode(Exception):
    """The code is not the one that was sent, is too old, or was tried too often."""


async def recipients_of(database: Database, owner: str) -> dict[str, dict[str, Any] | None]:
    """Channel -> the address that the person has named there, and whether it is confirmed; else None."""
    async with database.reading() as session:
        rows = await _rows(session, owner)
    known = {row.channel: item(row) for row in rows if row.address}
    return {channel: known.get(channel) for channel in CHANNELS}


def item(row: PersonalRecipient) -> dict[str, Any]:
    """An address as its owner sees it."""
    return {"address": row.address, "confirmed": row.confirmed}


async def name_address(database: Database, owner: str, channel: str, address: str | None) -> None:
    """`change_address` alone, in a session of its own."""
    async with database.writing() as session:
        await change_address(session, owner, channel, address)


async def change_address(session: AsyncSession, owner: str, channel: str, address: str | None) -> None:
    """Store the address, to which a code goes; one that is confirmed stays so. Raises TooManyCodes.

    None removes it; how many codes were sent is kept.
    """
    now = datetime.now(UTC)
    known = await session.get(PersonalRecipient, (owner, channel), with_for_update=True)
    if address is None:
        if known is not None and known.address:
            known.address = ""
            known.confirmed = False
            known.code = None
            await record(session, owner, "recipient.forget", channel)
        return
    if known is not None and known.address == address and known.confirmed:
        return
    elsewhere = await _sent_to(session, owner, channel, address, now)
    row = known or PersonalRecipient(owner=owner, channel=channel, codes=0, day_began=now)
    if row.day_began <= now - DAY:
        row.day_began = now
        row.codes = 0
    if row.codes >= MOST_CODES or elsewhere >= MOST_CODES:
        raise TooManyCodes(channel)
    row.address = address
    row.confirmed = False
    row.code = f"{random.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    row.issued_at = now
    row.tries = 0
    row.codes += 1
    session.add(row)
    await record(session, owner, "recipient.name", channel)


async def _sent_to(session: AsyncSession, owner: str, channel: str, address: str, now: datetime) -> int:
    """Codes that others had sent to the address within a day."""
    others = select(func.coalesce(func.sum(PersonalRecipient.codes), 0)).where(
        PersonalRecipient.channel == channel,
        PersonalRecipient.address == address,
        PersonalRecipient.owner != owner,
        PersonalRecipient.day_began > now - DAY,
    )
    return int(await session.scalar(others) or 0)


async def confirm(database: Database, owner: str, channel: str, address: str, code: str) -> None:
    """Confirm the address. Raises WrongCode; a wrong code counts as a try."""
    async with database.writing() as session:
        row = await session.get(PersonalRecipient, (owner, channel), with_for_update=True)
        is_right = row is not None and row.address == address and _matches(row, code)
        if row is not None and is_right:
            row.confirmed = True
            row.code = None
            await record(session, owner, "recipient.confirm", channel)
        elif row is not None:
            row.tries += 1
    if not is_right:
        raise WrongCode


def _matches(row: PersonalRecipient, code: str) -> bool:
    """Whether the code is the one that was sent, in time, with tries left."""
    if row.code is None or row.tries >= MOST_TRIES or row.issued_at <= datetime.now(UTC) - CODE_VALID:
        return False
    return hmac.compare_digest(row.code, code)


async def waiting_codes(database: Database) -> list[tuple[PersonalRecipient, Language]]:
    """Addresses whose code is still valid, with the language of their owner."""
    query = (
        select(PersonalRecipient, User.locale)
        .outerjoin(User, User.user_id == PersonalRecipient.owner)
        .where(
            PersonalRecipient.code.is_not(None), PersonalRecipient.issued_at > datetime.now(UTC) - CODE_VALID
        )
    )
    async with database.reading() as session:
        rows = list(await session.execute(query))
    return [(row, "en" if locale == "en" else "id") for row, locale in rows]


async def confirmed_addresses(session: AsyncSession) -> dict[str, dict[str, str]]:
    """Owner -> channel -> confirmed address."""
    addresses: dict[str, dict[str, str]] = {}
    for row in await session.scalars(select(PersonalRecipient).where(PersonalRecipient.confirmed)):
        addresses.setdefault(row.owner, {})[row.channel] = row.address
    return addresses


async def _rows(session: AsyncSession, owner: str) -> list[PersonalRecipient]:
    return list(await session.scalars(select(PersonalRecipient).where(PersonalRecipient.owner == owner)))


async def export(session: AsyncSession, owner: str) -> list[dict[str, Any]]:
    """What is stored here about a person."""
    return [{"channel": row.channel} | item(row) for row in await _rows(session, owner) if row.address]
