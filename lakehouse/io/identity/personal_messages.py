"""What the alert worker reads and writes here: alerts to look at, people to notify, new messages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from lakehouse.alerts.notices import PAGE
from lakehouse.alerts.personal import SYMBOL_PAGE, PersonalMessage, reaches
from lakehouse.identity.roles import Role
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.personal import GIVEN, notification_item, row_of
from lakehouse.io.identity.recipients import confirmed_addresses
from lakehouse.io.identity.tables import Notification, PersonalSettings, SymbolAlert, User
from lakehouse.reference import commodities
from lakehouse.translation import Language

NOTIFICATIONS_KEPT = timedelta(days=90)
MOST_IDS_PER_STATEMENT = 1000  # databases limit them
LIMITED_ROLES = tuple(role.label for role in Role if role <= Role.OPERATOR)  # to the regions of the person
ALERT = (*GIVEN, "is_met")


@dataclass(frozen=True)
class Reader:
    """A person as the worker needs it. `addresses`: email, telegram, whatsapp -> where to send.

    `commodities`, `regions` (codes of provinces): of which there are messages about alerts; None: of all.
    """

    owner: str
    language: Language
    addresses: Mapping[str, str]
    commodities: frozenset[str] | None
    regions: frozenset[str] | None
    min_level: str
    digest: str
    weekly_sheet: bool


async def readers(database: Database, owner: str | None = None) -> list[Reader]:
    """Everybody who has chosen something, without disabled accounts; or `owner` alone."""
    query = select(PersonalSettings, User).outerjoin(User, User.user_id == PersonalSettings.owner)
    if owner is not None:
        query = query.where(PersonalSettings.owner == owner)
    async with database.reading() as session:
        rows = list(await session.execute(query))
        confirmed = await confirmed_addresses(session)
    return [
        Reader(
            chosen.owner,
            "en" if person is not None and person.locale == "en" else "id",
            wanted_addresses(chosen, person, confirmed.get(chosen.owner, {})),
            wanted_commodities(chosen),
            wanted_regions(chosen, person),
            chosen.min_level,
            chosen.digest,
            chosen.weekly_sheet,
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


def wanted_commodities(chosen: PersonalSettings) -> frozenset[str] | None:
    """Ids, with the members of groups; of those that the person follows while none were chosen.

    Who neither chose nor follows any gets no messages about commodities: nobody asked for them.
    """
    own = chosen.alert_commodities
    if own == []:
        return None
    names = chosen.commodities if own is None else own
    known = commodities()
    return frozenset(
        each for name in names for each in (name, *(known[name].members if name in known else ()))
    )


def wanted_regions(chosen: PersonalSettings, person: User | None) -> frozenset[str] | None:
    """Codes of provinces; for an operator of regions, of these alone."""
    limits = person.regions if person is not None and person.role in LIMITED_ROLES else []
    given = [frozenset(codes) for codes in (chosen.alert_regions, limits) if codes]
    return frozenset.intersection(*given) if given else None


def wants(reader: Reader, alert: Mapping[str, Any]) -> bool:
    """Whether the alert has a level, a commodity and a region that the person has chosen.

    An alert about the whole country is about each region.
    """
    return (
        reaches(alert["level"], reader.min_level)
        and (reader.commodities is None or alert["commodity"] in reader.commodities)
        and (reader.regions is None or alert["region_code"] in (None, *reader.regions))
    )


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
    database: Database,
    met: Mapping[str, bool],
    messages: Sequence[PersonalMessage],
    now: datetime,
    collected: Collection[str],
) -> None:
    """Store which alerts hold together with the messages about them that are not known yet.

    `met`: alert id -> whether its condition holds. `collected`: ids of messages that wait for a digest.
    """
    async with database.writing() as session:
        for state in (True, False):
            ids = [alert_id for alert_id, holds in met.items() if holds is state]
            if ids:
                await session.execute(
                    update(SymbolAlert).where(SymbolAlert.alert_id.in_(ids)).values(is_met=state)
                )
        await _insert(session, messages, now, collected)


async def add_messages(
    database: Database,
    messages: Sequence[PersonalMessage],
    now: datetime,
    collected: Collection[str] = (),
) -> None:
    """Store the messages that are not known yet. `collected`: ids of those that wait for a digest."""
    if messages:
        async with database.writing() as session:
            await _insert(session, messages, now, collected)


async def new_messages(database: Database, messages: Sequence[PersonalMessage]) -> list[PersonalMessage]:
    """Those that are not stored: a stored one was queued before, or is part of a digest."""
    if not messages:
        return []
    ids = [message.alert_id for message in messages]
    known: set[str] = set()
    async with database.reading() as session:
        for start in range(0, len(ids), MOST_IDS_PER_STATEMENT):
            part = Notification.notification_id.in_(ids[start : start + MOST_IDS_PER_STATEMENT])
            known.update(await session.scalars(select(Notification.notification_id).where(part)))
    return [message for message in messages if message.alert_id not in known]


async def due_for_digest(
    database: Database, ends: Mapping[str, datetime]
) -> dict[str, list[PersonalMessage]]:
    """Owner -> messages that wait for a digest and came before its end, oldest first.

    `ends`: choice of digest -> its newest end.
    """
    choice = PersonalSettings.digest
    due = or_(*(and_(choice == name, Notification.created_at < end) for name, end in ends.items()))
    query = (
        select(Notification)
        .join(PersonalSettings, PersonalSettings.owner == Notification.owner)
        .where(Notification.awaits_digest, due)
        .order_by(Notification.created_at, Notification.notification_id)
    )
    messages: dict[str, list[PersonalMessage]] = {}
    async with database.reading() as session:
        for row in await session.scalars(query):
            messages.setdefault(row.owner, []).append(message_of(row))
    return messages


def message_of(row: Notification) -> PersonalMessage:
    """A stored message; its page is that of its kind."""
    page = PAGE if row.kind == "commodity" else SYMBOL_PAGE
    return PersonalMessage(row.notification_id, row.kind, row.title, row.body, page=page, owner=row.owner)


async def leave_digest(database: Database, ids: Sequence[str]) -> None:
    """Note that the messages went out with a digest."""
    async with database.writing() as session:
        for start in range(0, len(ids), MOST_IDS_PER_STATEMENT):
            part = Notification.notification_id.in_(ids[start : start + MOST_IDS_PER_STATEMENT])
            await session.execute(update(Notification).where(part).values(awaits_digest=False))


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
        await session.execute(delete(Notification).where(Notification.created_at < now - NOTIFICATIONS_KEPT))


async def _insert(
    session: AsyncSession, messages: Collection[PersonalMessage], now: datetime, collected: Collection[str]
) -> None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [row_of(message, now, message.alert_id in collected) for message in messages]
    if rows:
        await session.execute(insert(Notification).on_conflict_do_nothing(), rows)
