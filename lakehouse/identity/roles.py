"""Roles, scopes of API keys, and the caller that a token or key stands for."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, get_args

Scope = Literal["read", "ingest"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DeviceRole = Literal["operator", "central", "admin"]


class Role(IntEnum):
    """Roles by rank. A device is not a person: it has only the routes that name it."""

    DEVICE = 0
    USER = 1
    OPERATOR = 2
    CENTRAL = 3
    ADMIN = 4

    @property
    def label(self) -> str:
        """The name in tokens, answers and commands."""
        return self.name.lower()


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes among the names."""
    return frozenset(scope for scope in SCOPES if scope in names)


def role_named(label: str) -> Role:
    """The role with this name. Raises KeyError for an unknown one."""
    return Role[label.upper()]


@dataclass(frozen=True)
class Principal:
    """A known caller.

    `subject`: user id, device id, or the name of a role for a token that this machine signed for itself.
    `regions`: codes of the provinces of an operator; empty: all. `scopes`: what an API key may do; None: no
    key, everything its role may. `sign_in`: what ends with a sign-out. `ends_at`: when the token of this
    machine ends, in seconds since 1970. `market_id`, `kinds_of`: market of a device, and the role that says
    which kinds it may send.
    """

    role: Role
    subject: str
    regions: tuple[str, ...] = ()
    scopes: frozenset[Scope] | None = None
    user_id: str | None = None
    sign_in: str | None = None
    device_id: str | None = None
    market_id: str | None = None
    kinds_of: Role | None = None
    ends_at: int | None = None

    @property
    def unlimited(self) -> bool:
        """Whether the caller acts nation-wide; operators may be limited to regions."""
        return self.role > Role.OPERATOR or not self.regions

    def covers(self, region: str | None) -> bool:
        """Whether objects of this province are the caller's own."""
        return self.unlimited or region in self.regions

    def sent(self, source: str) -> bool:
        """Whether an event from this source is the device's own; a local token stands for all devices."""
        if self.device_id is None:
            return source.startswith(("mqtt:", "api:device"))
        return source in (f"mqtt:{self.device_id}", f"api:{self.device_id}")

    def may(self, scope: Scope) -> bool:
        """Whether the caller is no API key, or one with the scope."""
        return self.scopes is None or scope in self.scopes
