"""What people choose for themselves: preferences, notifications, alerts on symbols; and their activity."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import Path, Query, Request, Response

from conf.channels import personal_channels
from lakehouse.alerts.personal import SymbolState
from lakehouse.io.identity import personal, recipients
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.listings import page_of_audit
from lakehouse.io.identity.personal_messages import Reader, readers, wants
from lakehouse.io.identity.tables import PersonalSettings
from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentUser
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid, language_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.names import commodity_ids_in_body, region_codes_in_body
from serving_api.reads.responses import PRIVATE, CurrentResponses, KeyedItem, json_response
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.supported import Symbols, require_symbols, required_symbol
from serving_api.reads.trading.market import TABLE, live_bars
from serving_api.reads.trading.signals import NewestSignals, newest_signal
from serving_api.schemas.envelope import Page, PageQuery
from serving_api.schemas.identity.personal import (
    ActivityItem,
    NotificationItem,
    NotificationPreview,
    NotificationSettings,
    NotificationsQuery,
    Preferences,
    ReadBody,
    RecipientBody,
    Recipients,
    SymbolAlertBody,
    SymbolAlertItem,
)

router = Router(prefix="/api/v1", tags=["accounts"])
AlertIdInPath = Annotated[
    str, Path(max_length=64, description="`id` of the alert", examples=["0b1c2d3e4f50"])
]
NotificationIdInPath = Annotated[
    str, Path(max_length=64, description="`id` of the notification", examples=["5d1f0c2b7e9a"])
]
ALERTS = "gold.alerts"
PREVIEW_DAYS = 90
PREFERENCES = tuple(Preferences.model_fields)
CHOSEN = ("email", "telegram", "whatsapp", "websocket", "min_level", "digest", "weekly_sheet")
ADDRESSES = {"telegram": "telegram_chat", "whatsapp": "whatsapp_number"}  # channel -> its member


@router.get("/notifications", response_model=Page[NotificationItem], summary="Notifications of the caller")
async def list_notifications(
    query: Annotated[NotificationsQuery, Query()],
    caller: CurrentUser,
    database: Shared[Database],
    responses: CurrentResponses,
) -> Response:
    """The newest notification first."""
    read = partial(personal.page_of_notifications, database, caller.subject, query.unread)
    return await responses.stored(query, read)


@router.post(
    "/notifications/{notification_id}/read",
    status_code=204,
    response_class=Response,
    summary="Mark a notification as read",
)
async def read_notification(
    notification_id: NotificationIdInPath,
    body: ReadBody,
    caller: CurrentUser,
    database: Shared[Database],
) -> None:
    """Of somebody else: 404. A repetition changes nothing."""
    if not await personal.mark_read(database, caller.subject, notification_id):
        raise Problem("not-found", reason=message("no_notification", name=notification_id))


def symbol_state(snapshots: Snapshots, signals: NewestSignals, symbol: str) -> SymbolState:
    """What is known of a symbol now. Blocks while new files are read."""
    bar = live_bars(snapshots[TABLE]).get(symbol)
    if bar is None:
        return SymbolState()
    _, row = newest_signal(signals, symbol, bar["interval"])
    known = (row["signal"], row["bar_time"]) if row else (None, None)
    return SymbolState(bar["close"], bar["bar_time"], *known)


def chosen(settings: PersonalSettings) -> Response:
    """The preferences as their owner sees them."""
    return json_response({name: getattr(settings, name) for name in PREFERENCES}, cache=PRIVATE)


async def notified(database: Database, settings: PersonalSettings) -> Response:
    """How the person is notified, with the addresses that are stored by themselves."""
    known = await recipients.recipients_of(database, settings.owner)
    own = settings.alert_commodities
    item = {name: getattr(settings, name) for name in CHOSEN} | {
        "commodities": settings.commodities if own is None else own,
        "regions": settings.alert_regions,
    }
    item |= {name: (known[channel] or {}).get("address") for channel, name in ADDRESSES.items()}
    return json_response(item, cache=PRIVATE)


@router.get("/users/me/preferences", response_model=Preferences, summary="What the caller follows")
async def get_preferences(caller: CurrentUser, database: Shared[Database]) -> Response:
    """The defaults until the person has chosen something."""
    return chosen(await personal.settings_of(database, caller.subject))


@router.put("/users/me/preferences", response_model=Preferences, summary="Choose what to follow")
async def put_preferences(
    body: Preferences,
    caller: CurrentUser,
    database: Shared[Database],
    symbols: Shared[Symbols],
) -> Response:
    """Names are stored as the reference lists have them, each once."""
    await run_sync(require_symbols, symbols, {f"/watchlist/{n}": s for n, s in enumerate(body.watchlist)})
    changes = {
        "watchlist": list(dict.fromkeys(body.watchlist)),
        "commodities": commodity_ids_in_body(body.commodities),
        "theme": body.theme,
    }
    owner = caller.subject
    return chosen(await personal.change_settings(database, owner, "preferences", changes))


@router.get(
    "/users/me/notification-settings",
    response_model=NotificationSettings,
    summary="How the caller is notified",
)
async def get_notification_settings(caller: CurrentUser, database: Shared[Database]) -> Response:
    """The defaults until the person has chosen something."""
    return await notified(database, await personal.settings_of(database, caller.subject))


@router.put(
    "/users/me/notification-settings",
    response_model=NotificationSettings,
    summary="Choose how to be notified",
)
async def put_notification_settings(
    body: NotificationSettings,
    caller: CurrentUser,
    database: Shared[Database],
) -> Response:
    """Every notification is in the list of GET /api/v1/notifications, whatever channels are chosen here.

    Names are stored as the reference lists have them, each once. At most 5 codes a day for a person, and to
    an address.
    """
    owner = caller.subject
    changes = {name: getattr(body, name) for name in CHOSEN} | {
        "alert_commodities": commodity_ids_in_body(body.commodities),
        "alert_regions": region_codes_in_body(body.regions),
    }
    known = await recipients.recipients_of(database, owner)
    wanted = {channel: getattr(body, name) for channel, name in ADDRESSES.items()}
    new = {way: to for way, to in wanted.items() if to != (known[way] or {}).get("address")}
    for channel, address in new.items():
        if address is not None:
            require_usable(channel, f"/{ADDRESSES[channel]}")
    try:
        settings = await personal.change_notifications(database, owner, changes, new)
    except recipients.TooManyCodes as refusal:
        raise too_many_codes(f"/{ADDRESSES[str(refusal)]}") from None
    return await notified(database, settings)


@router.get(
    "/users/me/notification-settings/preview",
    response_model=NotificationPreview,
    summary="How many alerts the caller's choice would have notified of",
)
async def preview_notifications(
    caller: CurrentUser, database: Shared[Database], snapshots: Shared[Snapshots]
) -> Response:
    """By the level, commodities and provinces that are stored; the channels do not matter."""
    own = await readers(database, caller.subject)
    rang = await run_sync(alerts_for, own[0], snapshots) if own else 0
    return json_response({"days": PREVIEW_DAYS, "alerts": rang}, cache=PRIVATE)


def alerts_for(reader: Reader, snapshots: Snapshots) -> int:
    """How many alerts became active in the last days that the person wants. Blocks while files are read."""
    since = datetime.now(UTC) - timedelta(days=PREVIEW_DAYS)
    rows = snapshots[ALERTS].rows.filter(pc.field("active_at") >= since)
    alerts = rows.select(["level", "commodity", "region_code"]).to_pylist()
    return sum(wants(reader, alert) for alert in alerts)


def require_usable(channel: str, pointer: str) -> None:
    """Raises Problem 422 when nothing can be sent over the channel."""
    if channel not in personal_channels():
        raise invalid(pointer, "channel_usable", message("channel_usable", name=channel))


def too_many_codes(pointer: str) -> Problem:
    """422 for an address to which no code goes today."""
    return invalid(pointer, "codes_number", message("codes_number", most=recipients.MOST_CODES))


@router.get(
    "/users/me/recipients",
    response_model=Recipients,
    summary="Where the caller wants messages over Telegram and WhatsApp",
)
async def get_recipients(caller: CurrentUser, database: Shared[Database]) -> Response:
    """Null until the person has named an address."""
    return json_response(await recipients.recipients_of(database, caller.subject), cache=PRIVATE)


@router.put(
    "/users/me/recipients",
    response_model=Recipients,
    summary="Name, confirm or remove an address for messages",
)
async def put_recipient(
    body: RecipientBody,
    caller: CurrentUser,
    database: Shared[Database],
) -> Response:
    """A code goes to a new address; with the code the address is confirmed, and messages go there.

    At most 5 codes a day for a person, and to an address.
    """
    owner = caller.subject
    if body.address is None:
        await recipients.name_address(database, owner, body.channel, None)
    elif body.code is not None:
        try:
            await recipients.confirm(database, owner, body.channel, body.address, body.code)
        except recipients.WrongCode:
            raise invalid("/code", "code_right", message("code_right")) from None
    else:
        require_usable(body.channel, "/channel")
        try:
            await recipients.name_address(database, owner, body.channel, body.address)
        except recipients.TooManyCodes:
            raise too_many_codes("/address") from None
    return json_response(await recipients.recipients_of(database, owner), cache=PRIVATE)


@router.get(
    "/users/me/alerts",
    response_model=Page[SymbolAlertItem],
    summary="Alerts of the caller on symbols",
)
async def list_symbol_alerts(
    query: Annotated[PageQuery, Query()],
    caller: CurrentUser,
    database: Shared[Database],
    responses: CurrentResponses,
) -> Response:
    """The newest alert first."""
    return await responses.stored(query, partial(personal.page_of_alerts, database, caller.subject))


@router.post(
    "/users/me/alerts", status_code=201, response_model=SymbolAlertItem, summary="Create an alert on a symbol"
)
async def create_symbol_alert(
    request: Request,
    body: SymbolAlertBody,
    caller: CurrentUser,
    database: Shared[Database],
    symbols: Shared[Symbols],
    snapshots: Shared[Snapshots],
    signals: Shared[NewestSignals],
) -> Response:
    """It notifies when its condition becomes true, and again only after it was false.

    One that is true already notifies at once, on the page and in the list alone.
    """
    symbol = await run_sync(required_symbol, symbols, body.symbol)
    state = await run_sync(symbol_state, snapshots, signals, symbol)
    values = (symbol, body.condition, body.value, body.signal, state, language_of(request))
    try:
        alert = await personal.add_alert(database, caller.subject, *values)
    except personal.TooManyAlerts:
        raise invalid("", "alerts_number", message("alerts_number", most=personal.MOST_ALERTS)) from None
    return json_response(personal.alert_item(alert), 201, cache=PRIVATE)


@router.delete(
    "/users/me/alerts/{alert_id}",
    status_code=204,
    response_class=Response,
    summary="Remove an alert on a symbol",
)
async def delete_symbol_alert(
    alert_id: AlertIdInPath, caller: CurrentUser, database: Shared[Database]
) -> None:
    """An alert of somebody else is 404."""
    if not await personal.delete_alert(database, caller.subject, alert_id):
        raise Problem("not-found", reason=message("no_alert", name=alert_id))


@router.get("/users/me/activity", response_model=Page[ActivityItem], summary="What the caller did")
async def list_activity(
    query: Annotated[PageQuery, Query()],
    caller: CurrentUser,
    database: Shared[Database],
    responses: CurrentResponses,
) -> Response:
    """The entries of the audit about the caller's own acts, the newest first."""

    async def read(key: Key | None, number: int) -> list[KeyedItem]:
        rows = await page_of_audit(database, key, number, actor=caller.subject)
        return [(at, {name: entry[name] for name in ActivityItem.model_fields}) for at, entry in rows]

    return await responses.stored(query, read)
