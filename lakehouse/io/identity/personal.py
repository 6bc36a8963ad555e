"""What people choose for themselves, their alerts on symbols, and the messages that they get.

`owner` is the subject of the caller: a user id, or the name of a role for a token of this machine.
"""

import secrets as random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lakehouse.alerts.personal import PersonalMessage, SymbolState, is_met, symbol_message
from lakehouse.io.identity import recipients
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.listings import Keyed, equal, newest_rows
from lakehouse.io.identity.tables import Notification, PersonalRecipient, PersonalSettings, SymbolAlert
from lakehouse.times import utc_text
from lakehouse.translation import Language

DEFAULTS: Mapping[str, Any] = {
    "watchlist": [],
    "commodities": [],
    "theme": "system",
    "email": False,
    "telegram": False,
    "whatsapp": False,
    "websocket": True,
    "min_level": "waspada",
    "alert_commodities": None,
    "alert_regions": [],
    "digest": "none",
    "weekly_sheet": False,
}
MOST_ALERTS = 100  # of one person
GIVEN = ("alert_id", "owner", "symbol", "condition", "value", "signal")  # what an alert is


class TooManyAlerts(Exception):
    """The person has MOST_ALERTS alerts already."""


async def settings_of(database: Database, owner: str) -> PersonalSettings:
    """What a person has chosen; the defaults before that."""
    async with database.reading() as session:
        known = await session.get(PersonalSettings, owner)
    return known or PersonalSettings(owner=owner, **DEFAULTS)


async def change_settings(
    database: Database, owner: str, action: str, changes: Mapping[str, Any]
) -> PersonalSettings:
    """The settings with the changes, which are stored. `action`: as the audit names it."""
    async with database.writing() as session:
        return await _change(session, owner, action, changes)


async def change_notifications(
    database: Database, owner: str, changes: Mapping[str, Any], addresses: Mapping[str, str | None]
) -> PersonalSettings:
    """The settings with the changes, stored together with the new addresses; nothing without all.

    `addresses`: channel -> where messages go there after its code was entered; None: nowhere any more.
    Raises TooManyCodes.
    """
    async with database.writing() as session:
        for channel, address in addresses.items():
            await recipients.change_address(session, owner, channel, address)
        return await _change(session, owner, "notifications", changes)


async def _change(
    session: AsyncSession, owner: str, action: str, changes: Mapping[str, Any]
) -> PersonalSettings:
    known = await session.get(PersonalSettings, owner, with_for_update=True)
    if known is None:
        known = PersonalSettings(owner=owner, **DEFAULTS)
        session.add(known)
    for name, value in changes.items():
        setattr(known, name, value)
    await record(session, owner, action, owner)
    return known


async def add_alert(
    database: Database,
    owner: str,
    symbol: str,
    condition: str,
    value: float | None,
    signal: str | None,
    state: SymbolState | None = None,
    language: Language = "id",
) -> SymbolAlert:
    """The new alert; if it is true in the `state` of the symbol, with its notification.

    Raises TooManyAlerts.
    """
    now = datetime.now(UTC)
    alert = SymbolAlert(
        alert_id=random.token_hex(16),
        owner=owner,
        symbol=symbol,
        condition=condition,
        value=value,
        signal=signal,
        created_at=now,
    )
    given = {name: getattr(alert, name) for name in GIVEN}
    alert.is_met = is_met(given, state) if state else None
    async with database.writing() as session:
        current = select(func.count()).where(SymbolAlert.owner == owner)
        if (await session.scalar(current) or 0) >= MOST_ALERTS:
            raise TooManyAlerts
        session.add(alert)
        if state and alert.is_met:
            session.add(Notification(**row_of(symbol_message(given, state, language), now)))
        await record(session, owner, "alert.create", alert.alert_id)
    return alert


async def delete_alert(database: Database, owner: str, alert_id: str) -> bool:
    """Whether the person had such an alert, which is removed now."""
    own = delete(SymbolAlert).where(SymbolAlert.alert_id == alert_id, SymbolAlert.owner == owner)
    async with database.writing() as session:
        removed = await session.scalar(own.returning(SymbolAlert.alert_id))
        if removed is not None:
            await record(session, owner, "alert.delete", alert_id)
    return removed is not None


async def mark_read(database: Database, owner: str, notification_id: str) -> bool:
    """Whether the person has such a notification, which is read now."""
    own = update(Notification).where(
        Notification.notification_id == notification_id, Notification.owner == owner
    )
    async with database.writing() as session:
        changed = await session.scalar(own.values(is_read=True).returning(Notification.notification_id))
    return changed is not None


def row_of(message: PersonalMessage, now: datetime, awaits_digest: bool = False) -> dict[str, Any]:
    """A new message as a row."""
    return {
        "notification_id": message.alert_id,
        "owner": message.owner,
        "kind": message.level,
        "title": message.subject[:200],
        "body": message.body[:1000],
        "is_read": False,
        "awaits_digest": awaits_digest,
        "created_at": now,
    }


def alert_item(alert: SymbolAlert) -> dict[str, Any]:
    """The alert as its owner sees it."""
    given = {name: getattr(alert, name) for name in ("symbol", "condition", "value", "signal")}
    return {"id": alert.alert_id, **given, "created_at": utc_text(alert.created_at)}


def notification_item(notification: Notification) -> dict[str, Any]:
    """The notification as its owner sees it."""
    return {
        "id": notification.notification_id,
        **{name: getattr(notification, name) for name in ("kind", "title", "body")},
        "read": notification.is_read,
        "created_at": utc_text(notification.created_at),
    }


async def page_of_alerts(
    database: Database, owner: str, after: tuple[Any, ...] | None, limit: int
) -> list[Keyed]:
    """Up to `limit` (sort key, item) after a key, the newest alert first."""
    query = select(SymbolAlert).where(SymbolAlert.owner == owner)
    order = (SymbolAlert.created_at, SymbolAlert.alert_id)
    return await newest_rows(database, query, order, after, limit, alert_item)


async def page_of_notifications(
    database: Database, owner: str, unread: bool | None, after: tuple[Any, ...] | None, limit: int
) -> list[Keyed]:
    """Up to `limit` (sort key, item) after a key, the newest notification first."""
    is_read = None if unread is None else not unread
    query = select(Notification).filter_by(owner=owner, **equal(is_read=is_read))
    order = (Notification.created_at, Notification.notification_id)
    return await newest_rows(database, query, order, after, limit, notification_item)


async def export(session: AsyncSession, owner: str) -> dict[str, Any]:
    """What is stored here about a person."""
    chosen = await session.get(PersonalSettings, owner)
    alerts = await session.scalars(select(SymbolAlert).where(SymbolAlert.owner == owner))
    notifications = await session.scalars(select(Notification).where(Notification.owner == owner))
    return {
        "settings": {name: getattr(chosen, name) for name in DEFAULTS} if chosen else dict(DEFAULTS),
        "alerts": [alert_item(row) for row in alerts],
        "notifications": [notification_item(row) for row in notifications],
        "recipients": await recipients.export(session, owner),
    }


async def remove_all(session: AsyncSession, owner: str) -> None:
    """Remove what is stored here about a person."""
    for table in (PersonalSettings, PersonalRecipient, SymbolAlert, Notification):
        await session.execute(delete(table).where(table.owner == owner))
