"""Tickets that open the private channels of a WebSocket: valid for seconds, used once, kept in memory."""

import secrets as random
import time

from lakehouse.identity.roles import Principal

SECONDS = 30
MOST_TICKETS = 10_000


class Tickets:
    """The tickets of this process."""

    def __init__(self) -> None:
        self._tickets: dict[str, tuple[float, Principal]] = {}  # in the order of their issue

    def issue(self, principal: Principal) -> str:
        """A new ticket for the caller. When there are too many, the oldest end."""
        now = time.monotonic()
        for ticket, (expires, _) in list(self._tickets.items()):
            if expires > now and len(self._tickets) < MOST_TICKETS:
                break
            del self._tickets[ticket]
        ticket = random.token_urlsafe(32)
        self._tickets[ticket] = (now + SECONDS, principal)
        return ticket

    def redeem(self, ticket: str) -> Principal | None:
        """Who the ticket was issued for, once; None for an unknown, used or expired one."""
        expires, principal = self._tickets.pop(ticket, (0.0, None))
        return principal if time.monotonic() < expires else None
