"""Tickets that open the private channels of a WebSocket: valid for seconds, used once, kept in memory."""

import secrets as random

from cachetools import TTLCache

from lakehouse.identity.roles import Principal

SECONDS = 30
MOST_TICKETS = 10_000


class Tickets:
    """The tickets of this process. When there are too many, the oldest end."""

    def __init__(self) -> None:
        self._tickets: TTLCache[str, Principal] = TTLCache(MOST_TICKETS, SECONDS)

    def issue(self, principal: Principal) -> str:
        """A new ticket for the caller."""
        ticket = random.token_urlsafe(32)
        self._tickets[ticket] = principal
        return ticket

    def redeem(self, ticket: str) -> Principal | None:
        """Who the ticket was issued for, once; None for an unknown, used or expired one."""
        return self._tickets.pop(ticket, None)
