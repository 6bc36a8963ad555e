"""Private channels: who may have them, when a connection loses its rights, and news of accounts."""

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import orjson

from lakehouse.identity.roles import Principal, Role
from lakehouse.io.identity.audit import entries_after, newest_index
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.personal_messages import newest_notifications
from lakehouse.times import utc_text
from serving_api.http.auth import Authenticator
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.tickets import Tickets
from serving_api.live.hub import PUBLIC_ROWS, REPLACED, RESUME_SECONDS, Hub

PUBLIC = ("prices", "alerts", *REPLACED, *PUBLIC_ROWS)
OF_OPERATORS = ("operator_alerts", "quarantine")  # of the provinces that the account may see
SENT = ("actor", "action", "object", "outcome")
RECENT = timedelta(seconds=30)  # a notification is stored a little later than the time that it bears
UNVERIFIED_SECONDS = 30.0  # a connection with rights lasts so long while the store of accounts is away


def require_right(channel: str, caller: Principal | None) -> None:
    """Raises Problem 401 without a caller, 403 when it may not have the channel."""
    if channel in PUBLIC:
        return
    if caller is None:
        raise Problem("ticket-required", name=channel)
    if channel in OF_OPERATORS and caller.role < Role.OPERATOR:
        raise Problem("forbidden", reason=message("role_required", role=Role.OPERATOR.label))
    if channel == "account" and caller.user_id is None:
        raise Problem("forbidden", reason=message("sign_in_required"))


def channels_of(caller: Principal) -> list[str]:
    """The channels that a caller may have."""
    of_operators = OF_OPERATORS if caller.role >= Role.OPERATOR else ()
    of_account = ("account",) if caller.user_id is not None else ()
    of_people = ("trades", "notifications") if caller.role >= Role.USER else ()
    return [*PUBLIC, *of_operators, *of_account, *of_people]


class PrivateChannels:
    """Tickets, rights that end, and the entries of the audit about people who are connected."""

    def __init__(self, hub: Hub, authenticator: Authenticator, tickets: Tickets, database: Database) -> None:
        self._hub = hub
        self._authenticator = authenticator
        self._tickets = tickets
        self._database = database
        self._verified_at = time.monotonic()
        self._wanted_until = 0.0  # until then, what happens to accounts is read
        self._newest: int | None = None  # index of the last entry that was read
        self._notified: set[str] | None = None  # ids of the notifications of the last half minute

    async def redeem(self, ticket: str) -> Principal:
        """Whose the ticket is. Raises Problem 401 for one that is not valid, 503 without the store."""
        caller = self._tickets.redeem(ticket)
        try:
            if caller is None or await self._authenticator.ended({caller}):
                raise Problem("ticket-invalid")
            await self.read_accounts(is_wanted=True)
        except StoreUnavailable as error:
            raise Problem("warming-up", reason=message("no_accounts")) from error
        return caller

    async def ended(self, callers: Collection[Principal]) -> tuple[set[Principal], bool]:
        """(callers who lost their rights, whether rights can still be vouched for).

        While the store is away nobody is known to have lost any; after UNVERIFIED_SECONDS that is not enough.
        """
        if not callers:
            self._verified_at = time.monotonic()
            return set(), True
        try:
            ended = await self._authenticator.ended(callers)
        except StoreUnavailable:
            return set(), time.monotonic() - self._verified_at < UNVERIFIED_SECONDS
        self._verified_at = time.monotonic()
        return ended, True

    async def read_accounts(self, is_wanted: bool) -> None:
        """Publish the new entries of the audit to the people they are about; none when nobody can resume.

        `is_wanted`: somebody is signed in. Raises StoreUnavailable.
        """
        now = time.monotonic()
        if is_wanted:
            self._wanted_until = now + RESUME_SECONDS
        elif now > self._wanted_until:
            self._newest = None
            self._notified = None
        if self._newest is None:
            if is_wanted:
                self._newest = await newest_index(self._database)
                await self._read_notifications()
            return
        for entry in await entries_after(self._database, self._newest):
            self._newest = entry.index
            data = {"at": utc_text(entry.at)} | {name: getattr(entry, name) for name in SENT}
            for person in {entry.actor, entry.object or entry.actor}:
                self._hub.publish_row("account", orjson.dumps(data), person)
        await self._read_notifications()

    async def _read_notifications(self) -> None:
        """Publish the new notifications to their owners; those of the first read are no news."""
        recent = await newest_notifications(self._database, datetime.now(UTC) - RECENT)
        known = self._notified
        self._notified = {item["id"] for _, item in recent}
        for owner, item in recent:
            if known is not None and item["id"] not in known:
                self._hub.publish_row("notifications", orjson.dumps(item), owner)
