"""What the alert worker reads and writes here: alerts to look at, people to notify, new messages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from lakehouse.alerts.personal import PersonalMessage
from lakehouse.identity.roles import Role
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.personal import GIVEN, notification_item, row_of
from lakehouse.io.identity.recipients import confirmed_addresses
from lakehouse.io.identity.tables import Notification, PersonalSettings, SymbolAlert, User
from lakehouse.translation import Language

KEPT = timedelta(days=90)
LIMITED_ROLES = tuple(role.label for role in Role if role <= Role.OPERATOR)  # to the regions of the person
ALERT = (*GIVEN, "is_met")


@dataclass(frozen=True)
class Reader:
    """A person as the worker needs it. `addresses`: email, telegram, whatsapp -> where to send.

    `regions`: codes of the provinces that the person is responsible for; empty: the whole country.
    """

    owner: str
    language: Language
    addresses: Mapping[str, str]
    commodities: frozenset[str]
    regions: frozenset[str]
    min_level: str


async def readers(database: Database) -> list[Reader]:
    """Everybody who has chosen something, without disabled accounts."""
    query = select(PersonalSettings, User).outerjoin(User, User.user_id == PersonalSettings.owner)
    async with database.reading() as session:
        rows = list(await session.execute(query))
        confirmed = await confirmed_addresses(session)
    return [
        Reader(
            chosen.owner,
            "en" if person is not None and person.locale == "en" else "id",
            wanted_addresses(chosen, person, confirmed.get(chosen.owner, {})),
            frozenset(chosen.commodities),
            frozenset(person.regions if person is not None and person.role in LIMITED_ROLES else ()),
            chosen.min_level,
        )
        for chosen, person in rows
        if person is None or not person.disabled
    ]


def wanted_addresses(
    chosen: PersonalSettings, person: User | None, confirmed: Mapping[str, str]
) -> dict[str, str]:
    """Channel -> address, of the channels that the person has turned on."""
    known = ({"email": person.email} if person is not None else {}) | dict(confirmed)
    return {channel: address for channel, address in known.items() if getattr(chosen, channel)}


async def symbol_alerts(database: Database, only_new: bool) -> list[dict[str, Any]]:
    """All alerts on symbols, or those that nobody has looked at yet, with the language of their owner."""
    query = select(SymbolAlert, User.locale).outerjoin(User, User.user_id == SymbolAlert.owner)
    if only_new:
        query = query.where(SymbolAlert.is_met.is_(None))
    async with database.reading() as session:
        rows = list(await session.execute(query))
    return [
        {name: getattr(row, name) for name in ALERT} | {"language": locale or "id"} for row, locale in rows
    ]


async def settle_alerts(
    database: Database, met: Mapping[str, bool], messages: Sequence[PersonalMessage], now: datetime
) -> set[str]:
    """Store which alerts hold together with the messages about them; returns the ids of new messages.

    `met`: alert id -> whether its condition holds.
    """
    async with database.writing() as session:
        for state in (True, False):
            ids = [alert_id for alert_id, holds in met.items() if holds is state]
            if ids:
                await session.execute(
                    update(SymbolAlert).where(SymbolAlert.alert_id.in_(ids)).values(is_met=state)
                )
        return await _insert(session, messages, now)


async def add_messages(database: Database, messages: Sequence[PersonalMessage], now: datetime) -> set[str]:
    """Store the messages that are not known yet; returns their ids."""
    if not messages:
        return set()
    async with database.writing() as session:
        return await _insert(session, messages, now)


async def newest_notifications(database: Database, since: datetime) -> list[tuple[str, dict[str, Any]]]:
    """(owner, notification) of those after a time, oldest first, for people who want them on open pages."""
    query = (
        select(Notification)
        .outerjoin(PersonalSettings, PersonalSettings.owner == Notification.owner)
        .where(Notification.created_at > since, PersonalSettings.websocket.is_not(False))
        .order_by(Notification.created_at)
    )
    async with database.reading() as session:
        return [(row.owner, notification_item(row)) for row in await session.scalars(query)]


async def forget_old(database: Database, now: datetime) -> None:
    """Remove the messages of more than 90 days ago."""
    async with database.writing() as session:
        await session.execute(delete(Notification).where(Notification.created_at < now - KEPT))


async def _insert(session: AsyncSession, messages: Collection[PersonalMessage], now: datetime) -> set[str]:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    added = set()
    for message in messages:
        new = insert(Notification).values(row_of(message, now)).on_conflict_do_nothing()
        if await session.scalar(new.returning(Notification.notification_id)) is not None:
            added.add(message.message_id)
    return added
